// SPDX-License-Identifier: MIT
#include "backend/onednn/onednn_backend.hpp"

#include <algorithm>
#include <array>

#include "backend/onednn/backend_impl.hpp"
#include "base/concat.hpp"

namespace clip {

namespace onednn {

std::string OneDnnBackend::implementation(std::string_view op) const {
    constexpr std::array<std::string_view, 8> kPrimitives = {
        "linear",          "conv2d",   "layer_norm", "attention",
        "patch_embedding", "avg_pool", "similarity", "softmax"};
    if (std::find(kPrimitives.begin(), kPrimitives.end(), op) == kPrimitives.end())
        return "ref";
    const std::string kernel = context_.last_implementation(op);
    return kernel.empty() ? "onednn" : "onednn " + kernel;
}

} // namespace onednn

std::unique_ptr<Backend> make_onednn_backend(ThreadPool& pool) {
    std::unique_ptr<Backend> made;
    onednn::translate_errors("engine",
                             [&] { made = std::make_unique<onednn::OneDnnBackend>(pool); });
    return made;
}

std::string onednn_version() {
    const dnnl_version_t* version = dnnl_version();
    return concat(version->major, ".", version->minor, ".", version->patch);
}

} // namespace clip

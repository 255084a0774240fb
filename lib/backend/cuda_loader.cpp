// SPDX-License-Identifier: MIT
#include "backend/cuda_loader.hpp"

#include <array>
#include <unistd.h>

#include "backend/cuda/plugin.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"
#include "base/plugin.hpp"

namespace clip {

namespace {

PluginFile plugin_file(const std::string& chosen) {
    return {.name = "libclip_cuda.so", .build_folder = "lib/backend/cuda", .chosen = chosen};
}

} // namespace

std::unique_ptr<Backend> make_cuda_backend(int device, const CudaOptions& options, ThreadPool& pool,
                                           const std::string& plugin) {
    const std::array<const char*, 1> symbols{kCudaMakeBackendSymbol};
    const LoadedPlugin loaded = load_plugin(plugin_file(plugin), symbols);
    if (loaded.functions.empty())
        fail(ErrorCode::unsupported, concat("use cuda:", device, ": the CUDA plugin ",
                                            plugin.empty() ? "libclip_cuda.so" : plugin,
                                            " cannot be loaded (", loaded.problem,
                                            plugin.empty() ? "); a build with nvcc makes it"
                                                           : "); CLIP_CUDA_PLUGIN names it"));
    const auto make = reinterpret_cast<CudaMakeBackend>(loaded.functions[0]);
    Backend* made = nullptr;
    std::array<char, 1024> message{};
    int code = 0;
    if (!make(kCudaPluginVersion, device, &options, &pool, &made, message.data(), message.size(),
              &code))
        fail(static_cast<ErrorCode>(code), message.data());
    return std::unique_ptr<Backend>(made);
}

std::string find_cuda_plugin() {
    return find_plugin(plugin_file(""));
}

int count_gpu_files() {
    constexpr int kMost = 64; // a container may have the last one of them only
    int count = 0;
    for (int i = 0; i < kMost; ++i)
        count += ::access(concat("/dev/nvidia", i).c_str(), F_OK) == 0 ? 1 : 0;
    if (count == 0 && ::access("/dev/dxg", F_OK) == 0) // Windows's GPUs, seen from its Linux
        count = 1;
    return count;
}

} // namespace clip

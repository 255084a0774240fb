// SPDX-License-Identifier: MIT
// The only file that asks which backends this build has (#if CLIP_WITH_...).
#include "backend/registry.hpp"

#include <charconv>

#include "backend/cuda_loader.hpp"
#include "backend/ref/ref_backend.hpp"
#include "base/concat.hpp"
#if CLIP_WITH_ONEDNN
#include "backend/onednn/onednn_backend.hpp"
#endif
#if CLIP_WITH_CPU_KERNELS
#include "backend/cpu/cpu_backend.hpp"
#endif

namespace clip {

namespace {

std::unique_ptr<Backend> make_onednn([[maybe_unused]] ThreadPool& pool) {
#if CLIP_WITH_ONEDNN
    return make_onednn_backend(pool);
#else
    fail(ErrorCode::unsupported, "make backend: oneDNN is not in this build");
#endif
}

// Each of a chain runs what it has and hands the rest to the next: cpu -> onednn -> ref.
std::unique_ptr<Backend> make_automatic(ThreadPool& pool) {
#if CLIP_WITH_ONEDNN
    std::unique_ptr<Backend> backend = make_onednn(pool);
#else
    std::unique_ptr<Backend> backend = std::make_unique<RefBackend>(pool);
#endif
#if CLIP_WITH_CPU_KERNELS
    backend = make_cpu_backend(pool, std::move(backend));
#endif
    return backend;
}

} // namespace

std::unique_ptr<Backend> make_backend(Device device, ThreadPool& pool,
                                      const BackendOptions& options) {
    if (!device.is_cpu())
        return make_cuda_backend(device.index, options.cuda, pool, options.cuda_plugin);
    switch (options.cpu) {
    case CpuImplementation::automatic:
        return make_automatic(pool);
    case CpuImplementation::ref:
        return std::make_unique<RefBackend>(pool);
    case CpuImplementation::onednn:
        return make_onednn(pool);
    }
    fail(ErrorCode::internal, "make backend: unknown implementation");
}

std::unique_ptr<Backend> make_named_backend(const std::string& device, ThreadPool& pool,
                                            const BackendOptions& options,
                                            std::string* passed_over) {
    const Device best = parse_device(device);
    if (device == "auto" && !best.is_cpu()) {
        try {
            return make_backend(best, pool, options);
        } catch (const Error& error) {
            if (passed_over != nullptr)
                *passed_over =
                    concat("a GPU is passed over (", error.what(), "); computing on the CPU");
        }
        return make_backend(Device{}, pool, options);
    }
    return make_backend(best, pool, options);
}

std::vector<std::string> describe_backends() {
    std::vector<std::string> lines;
#if CLIP_WITH_CPU_KERNELS
    lines.push_back(concat("cpu (", isa_name(usable_isas().back()), ")"));
#endif
#if CLIP_WITH_ONEDNN
    lines.push_back(concat("onednn ", onednn_version()));
#else
    lines.emplace_back("onednn: not in this build");
#endif
    lines.emplace_back("ref");
    if (find_cuda_plugin().empty())
        lines.emplace_back("cuda: not in this build");
    else if (const int gpus = count_gpu_files(); gpus == 0)
        lines.emplace_back("cuda: no GPU");
    else
        lines.push_back(concat("cuda (GPUs: ", gpus, ")"));
    return lines;
}

Device parse_device(const std::string& text) {
    if (text == "auto")
        return {count_gpu_files() > 0 && !find_cuda_plugin().empty() ? Device::Kind::cuda
                                                                     : Device::Kind::cpu,
                0};
    if (text == "cpu")
        return {};
    if (text == "cuda")
        return {Device::Kind::cuda, 0};
    const std::string prefix = "cuda:";
    if (text.starts_with(prefix)) {
        int index = -1;
        const char* end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data() + prefix.size(), end, index);
        if (error == std::errc{} && stop == end && index >= 0)
            return {Device::Kind::cuda, index};
    }
    fail(ErrorCode::invalid_argument,
         concat("parse device: not a device (got ", text, ", want cpu, cuda, cuda:N or auto)"));
}

} // namespace clip

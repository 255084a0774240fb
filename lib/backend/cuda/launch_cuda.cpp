// SPDX-License-Identifier: MIT
#include "backend/cuda/launch.hpp"

#include <map>
#include <mutex>

#include "backend/cuda/check_cuda.hpp"

namespace clip::cuda::detail {

namespace {

/// What a kernel may have without asking.
constexpr std::size_t kSharedUnasked = 48 << 10;

// Asks for more dynamic shared memory, once a kernel, device and size: the call costs some
// microseconds. A library that is loaded once has one table.
void allow_shared(const void* kernel, std::size_t bytes, std::string_view name) {
    static std::mutex mutex;
    static std::map<std::pair<const void*, int>, std::size_t> allowed;
    int device = 0;
    check(cudaGetDevice(&device), name);
    const std::lock_guard lock(mutex);
    std::size_t& most = allowed[{kernel, device}];
    if (bytes <= most)
        return;
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(bytes)),
          concat(name, ": ask for ", bytes, " bytes of shared memory"));
    most = bytes;
}

} // namespace

void launch_kernel(std::string_view name, const void* kernel, const LaunchShape& shape,
                   Stream& stream, void** arguments) {
    if (shape.grid.count() == 0)
        return;
    if (shape.shared_bytes > kSharedUnasked)
        allow_shared(kernel, shape.shared_bytes, name);
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(shape.grid.x, shape.grid.y, shape.grid.z);
    config.blockDim = dim3(shape.block.x, shape.block.y, shape.block.z);
    config.dynamicSmemBytes = shape.shared_bytes;
    config.stream = static_cast<cudaStream_t>(stream.handle());
    const cudaError_t status = cudaLaunchKernelExC(&config, kernel, arguments);
    const cudaError_t last = cudaGetLastError(); // not left for the next call to trip over
    check(status != cudaSuccess ? status : last, concat("run kernel ", name));
}

} // namespace clip::cuda::detail

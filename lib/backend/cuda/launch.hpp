// SPDX-License-Identifier: MIT
// The one way to start a kernel:
//
//   launch("layer_norm", layer_norm_kernel<float>, {.grid = {rows}, .block = {256}}, stream, y, x,
//   D);
//
// Every launch is checked, and errors name the kernel. A grid without blocks launches nothing.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "backend/cuda/runtime.hpp"
#if CLIP_CUDA_EMULATED
#include <functional>
#endif

namespace clip::cuda {

struct LaunchShape {
    Dim3 grid, block;
    std::size_t shared_bytes = 0; ///< dynamic shared memory of each block
};

namespace detail {

#if CLIP_CUDA_EMULATED
/// Runs the grid now, or when the stream's graph is launched.
void launch_emulated(std::string_view name, const LaunchShape& shape, Stream& stream,
                     std::function<void()> thread_body);
#else
/// `kernel` is the address of a __global__ function, `arguments` those of its arguments.
void launch_kernel(std::string_view name, const void* kernel, const LaunchShape& shape,
                   Stream& stream, void** arguments);
#endif

} // namespace detail

/// Puts a kernel into the stream. Arguments are converted to the kernel's parameters and copied.
/// Errors: device_failure (more threads or shared memory than there is, or an earlier fault).
template <typename... Parameters, typename... Arguments>
void launch(std::string_view name, void (*kernel)(Parameters...), const LaunchShape& shape,
            Stream& stream, Arguments&&... arguments) {
    static_assert(sizeof...(Parameters) == sizeof...(Arguments), "one argument a parameter");
    static_assert((std::is_trivially_copyable_v<std::remove_cvref_t<Parameters>> && ...),
                  "arguments are copied to the device byte by byte");
    std::tuple<std::remove_cvref_t<Parameters>...> copies(
        static_cast<std::remove_cvref_t<Parameters>>(std::forward<Arguments>(arguments))...);
#if CLIP_CUDA_EMULATED
    detail::launch_emulated(name, shape, stream, [kernel, copies] { std::apply(kernel, copies); });
#else
    std::apply(
        [&](auto&... copy) {
            std::array<void*, sizeof...(Parameters) + 1> places{static_cast<void*>(&copy)...};
            detail::launch_kernel(name, reinterpret_cast<const void*>(kernel), shape, stream,
                                  places.data());
        },
        copies);
#endif
}

} // namespace clip::cuda

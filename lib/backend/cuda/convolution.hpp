// SPDX-License-Identifier: MIT
// What a convolution and its gradients share: extents, and weights in the order of windows.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backend/cuda/context.hpp"
#include "backend/cuda/convert.hpp"
#include "backend/cuda/prepared.hpp"
#include "backend/cuda/tile_loader.hpp"
#include "backend/cuda/window_loader.hpp"
#include "tensor/view.hpp"

namespace clip::cuda {

/// A convolution of pictures (N, height, width, in) to (N, out_height, out_width, out).
struct ConvolutionSize {
    std::int64_t pictures = 0, height = 0, width = 0, in = 0;
    std::int64_t out_height = 0, out_width = 0, out = 0;
    std::int64_t kernel_height = 1, kernel_width = 1;
    int stride = 1, padding = 0;

    std::int64_t taps() const { return kernel_height * kernel_width; }
    /// Each place sees its own pixel and nothing else.
    bool is_product() const { return taps() == 1 && stride == 1 && padding == 0; }
};

inline ConvolutionSize convolution_size(const Shape& x, const Shape& y, const Shape& weight,
                                        int stride, int padding) {
    return {x[0], x[1], x[2], x[3], y[1], y[2], y[3], weight[2], weight[3], stride, padding};
}

/// The windows that the places of the result see, and those of grad_y that pixels of x see.
inline Windows forward_windows(const ConvolutionSize& size) {
    Windows windows;
    windows.places = size.pictures * size.out_height * size.out_width;
    windows.width = static_cast<int>(size.taps() * size.in);
    windows.picture_height = static_cast<int>(size.height);
    windows.picture_width = static_cast<int>(size.width);
    windows.channels = static_cast<int>(size.in);
    windows.kernel_width = static_cast<int>(size.kernel_width);
    windows.step = size.stride;
    windows.origin_y = windows.origin_x = -size.padding;
    windows.of_picture = FastDivisor(size.out_height * size.out_width);
    windows.of_line = FastDivisor(size.out_width);
    windows.of_tap = FastDivisor(size.in);
    windows.of_tap_line = FastDivisor(size.kernel_width);
    return windows;
}

inline Windows backward_windows(const ConvolutionSize& size) {
    Windows windows;
    windows.places = size.pictures * size.height * size.width;
    windows.width = static_cast<int>(size.taps() * size.out);
    windows.picture_height = static_cast<int>(size.out_height);
    windows.picture_width = static_cast<int>(size.out_width);
    windows.channels = static_cast<int>(size.out);
    windows.kernel_width = static_cast<int>(size.kernel_width);
    windows.origin_y = size.padding - static_cast<int>(size.kernel_height - 1);
    windows.origin_x = size.padding - static_cast<int>(size.kernel_width - 1);
    windows.divide = FastDivisor(size.stride);
    windows.of_picture = FastDivisor(size.height * size.width);
    windows.of_line = FastDivisor(size.width);
    windows.of_tap = FastDivisor(size.out);
    windows.of_tap_line = FastDivisor(size.kernel_width);
    return windows;
}

/// Pictures that are done together: places are counted in 31 bits.
inline std::int64_t pictures_at_once(std::int64_t places_of_picture) {
    return std::max<std::int64_t>(1, ((std::int64_t{1} << 31) - 1) / places_of_picture);
}

/// `x` as it is, or converted in memory of the scope.
inline const void* in_type(Context& context, Workspace::Scope& scope, const ConstView& x,
                           DType dtype) {
    if (x.dtype == dtype)
        return x.data;
    void* copy = scope.take<std::byte>(x.numel() * static_cast<std::int64_t>(dtype_size(dtype)));
    convert_elements(context, copy, dtype, x.data, x.dtype, x.numel());
    return copy;
}

/// Whether `pixels` of so many elements of T can be copied in chunks.
template <typename T>
bool takes_chunks(const void* pixels, std::int64_t channels) {
    return channels * static_cast<std::int64_t>(sizeof(T)) % kChunkBytes == 0 &&
           reinterpret_cast<std::uintptr_t>(pixels) % kChunkBytes == 0;
}

/// Weights in the order of windows, rows aligned_pitch() apart, of `dtype`, from `weight` (out, in,
/// kernel height, kernel width) float32 on the device.
///
///   forward   to (out, kernel height, kernel width, in)
///   turned    to (in, kernel height, kernel width, out), the kernel turned round
void order_weights(Context& context, void* to, DType dtype, const float* weight, const Shape& shape,
                   bool turned);

} // namespace clip::cuda

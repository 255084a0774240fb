// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "backend/ref/activation.hpp"

namespace clip::ref {

/// Extents of a convolution of one picture.
struct Conv2dSize {
    std::int64_t height, width, in;          ///< of the input, channels last
    std::int64_t out_height, out_width, out; ///< of the result
    std::int64_t kernel_height, kernel_width;
    std::int64_t stride, padding; ///< the same on both axes; padding is zeros on every side
};

/// One line of pixels of y = activation(conv(x) + bias + residual).
///
/// Shapes:  x (height, width, in), one picture; weight (out, in, kernel height, kernel width); bias
///          (out) or null; residual, y (out_width, out), the line `line` of the result, residual
///          may be null or y.
/// Numerics: one chain of sums over (kernel row, kernel column, channel), in T; then bias,
/// residual.
template <typename T>
void conv2d_line(T* y, const T* x, const T* weight, const T* bias, const T* residual,
                 Activation activation, const Conv2dSize& size, std::int64_t line) {
    const std::int64_t top = line * size.stride - size.padding;
    for (std::int64_t column = 0; column < size.out_width; ++column) {
        const std::int64_t left = column * size.stride - size.padding;
        for (std::int64_t o = 0; o < size.out; ++o) {
            T sum = 0;
            for (std::int64_t i = 0; i < size.kernel_height; ++i) {
                if (top + i < 0 || top + i >= size.height)
                    continue;
                for (std::int64_t j = 0; j < size.kernel_width; ++j) {
                    if (left + j < 0 || left + j >= size.width)
                        continue;
                    const T* pixel = x + ((top + i) * size.width + left + j) * size.in;
                    for (std::int64_t c = 0; c < size.in; ++c)
                        sum += pixel[c] * weight[((o * size.in + c) * size.kernel_height + i) *
                                                     size.kernel_width +
                                                 j];
                }
            }
            if (bias != nullptr)
                sum += bias[o];
            if (residual != nullptr)
                sum += residual[column * size.out + o];
            y[column * size.out + o] = activate(activation, sum);
        }
    }
}

/// The whole convolution of `pictures` pictures: x (N, height, width, in), residual and y
/// (N, out_height, out_width, out); otherwise as conv2d_line.
template <typename T>
void conv2d(T* y, const T* x, const T* weight, const T* bias, const T* residual,
            Activation activation, const Conv2dSize& size, std::int64_t pictures) {
    const std::int64_t pitch = size.out_width * size.out;
    for (std::int64_t n = 0; n < pictures; ++n)
        for (std::int64_t line = 0; line < size.out_height; ++line) {
            const std::int64_t at = (n * size.out_height + line) * pitch;
            conv2d_line(y + at, x + n * size.height * size.width * size.in, weight, bias,
                        residual != nullptr ? residual + at : nullptr, activation, size, line);
        }
}

} // namespace clip::ref

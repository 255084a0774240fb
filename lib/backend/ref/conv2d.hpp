// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

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

/// Gradient by one line of pixels of a picture of the sum that conv2d makes.
///
/// Shapes:  grad_y (out_height, out_width, out), one picture; weight as in conv2d_line; grad_x
///          (width, in), the line `line` of the picture, written.
template <typename T>
void conv2d_grad_line(T* grad_x, const T* grad_y, const T* weight, const Conv2dSize& size,
                      std::int64_t line) {
    for (std::int64_t column = 0; column < size.width; ++column)
        for (std::int64_t c = 0; c < size.in; ++c) {
            T sum = 0;
            for (std::int64_t i = 0; i < size.kernel_height; ++i) {
                const std::int64_t y = line + size.padding - i;
                if (y < 0 || y % size.stride != 0 || y / size.stride >= size.out_height)
                    continue;
                for (std::int64_t j = 0; j < size.kernel_width; ++j) {
                    const std::int64_t x = column + size.padding - j;
                    if (x < 0 || x % size.stride != 0 || x / size.stride >= size.out_width)
                        continue;
                    const T* g =
                        grad_y + (y / size.stride * size.out_width + x / size.stride) * size.out;
                    for (std::int64_t o = 0; o < size.out; ++o)
                        sum += g[o] * weight[((o * size.in + c) * size.kernel_height + i) *
                                                 size.kernel_width +
                                             j];
                }
            }
            grad_x[column * size.in + c] = sum;
        }
}

/// Adds to the gradients of output channel `o` over all pictures; either may be null.
///
/// Shapes:  grad_y (pictures, out_height, out_width, out); x (pictures, height, width, in);
///          grad_weight (out, in, kernel height, kernel width); grad_bias (out).
template <typename T>
void conv2d_grad_weight(T* grad_weight, T* grad_bias, const T* grad_y, const T* x,
                        const Conv2dSize& size, std::int64_t pictures, std::int64_t o) {
    const std::int64_t window = size.kernel_height * size.kernel_width;
    std::vector<T> sums(static_cast<std::size_t>(size.in * window));
    T bias = 0;
    for (std::int64_t n = 0; n < pictures; ++n)
        for (std::int64_t place = 0; place < size.out_height * size.out_width; ++place) {
            const T g = grad_y[(n * size.out_height * size.out_width + place) * size.out + o];
            bias += g;
            for (std::int64_t k = 0; k < window && grad_weight != nullptr; ++k) {
                const std::int64_t line =
                    place / size.out_width * size.stride - size.padding + k / size.kernel_width;
                const std::int64_t column =
                    place % size.out_width * size.stride - size.padding + k % size.kernel_width;
                if (line < 0 || line >= size.height || column < 0 || column >= size.width)
                    continue;
                const T* pixel = x + ((n * size.height + line) * size.width + column) * size.in;
                for (std::int64_t c = 0; c < size.in; ++c)
                    sums[static_cast<std::size_t>(c * window + k)] += g * pixel[c];
            }
        }
    if (grad_weight != nullptr)
        for (std::int64_t i = 0; i < size.in * window; ++i)
            grad_weight[o * size.in * window + i] += sums[static_cast<std::size_t>(i)];
    if (grad_bias != nullptr)
        grad_bias[o] += bias;
}

} // namespace clip::ref

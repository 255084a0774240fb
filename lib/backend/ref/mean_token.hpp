// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace clip::ref {

/// y = [mean over places of x; x] + positions, for one picture.
///
/// Shapes:  x (places, width); positions, y (places + 1, width).
template <typename T>
void mean_token(T* y, const T* x, const T* positions, std::int64_t places, std::int64_t width) {
    for (std::int64_t d = 0; d < width; ++d) {
        T sum = 0;
        for (std::int64_t l = 0; l < places; ++l)
            sum += x[l * width + d];
        y[d] = sum / static_cast<T>(places) + positions[d];
    }
    for (std::int64_t i = 0; i < places * width; ++i)
        y[width + i] = x[i] + positions[width + i];
}

/// Gradient of mean_token by x, for one picture: grad_x (places, width), grad_y (places + 1,
/// width).
template <typename T>
void mean_token_grad_x(T* grad_x, const T* grad_y, std::int64_t places, std::int64_t width) {
    for (std::int64_t l = 0; l < places; ++l)
        for (std::int64_t d = 0; d < width; ++d)
            grad_x[l * width + d] =
                grad_y[(l + 1) * width + d] + grad_y[d] / static_cast<T>(places);
}

/// Adds to element `i` of `grad` (size) that element of each of `count` pictures, one after the
/// other: the gradient of what is added to all pictures alike.
template <typename T>
void add_over_batch(T* grad, const T* grad_y, std::int64_t count, std::int64_t size,
                    std::int64_t i) {
    T sum = 0;
    for (std::int64_t n = 0; n < count; ++n)
        sum += grad_y[n * size + i];
    grad[i] += sum;
}

} // namespace clip::ref

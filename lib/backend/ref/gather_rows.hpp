// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

namespace clip::ref {

/// y[i] = x[rows[i]]: x (R, width), rows (count), y (count, width).
template <typename T>
void gather_rows(T* y, const T* x, const std::int64_t* rows, std::int64_t count,
                 std::int64_t width) {
    for (std::int64_t i = 0; i < count; ++i)
        std::copy_n(x + rows[i] * width, width, y + i * width);
}

/// grad_x = 0, then grad_x[rows[i]] += grad_y[i] in the order of i.
///
/// Shapes:  grad_y (count, width); rows (count); grad_x (x_rows, width).
template <typename T>
void gather_rows_backward(T* grad_x, const T* grad_y, const std::int64_t* rows, std::int64_t count,
                          std::int64_t x_rows, std::int64_t width) {
    for (std::int64_t i = 0; i < x_rows * width; ++i)
        grad_x[i] = T(0);
    for (std::int64_t i = 0; i < count; ++i)
        for (std::int64_t d = 0; d < width; ++d)
            grad_x[rows[i] * width + d] += grad_y[i * width + d];
}

/// y[rows[i]] += x[i] in the order of i: x (count, width), y (R, width).
template <typename T>
void scatter_add_rows(T* y, const T* x, const std::int64_t* rows, std::int64_t count,
                      std::int64_t width) {
    for (std::int64_t i = 0; i < count; ++i)
        for (std::int64_t d = 0; d < width; ++d)
            y[rows[i] * width + d] += x[i * width + d];
}

} // namespace clip::ref

// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace clip::ref {

/// y = x / max(|x|, 1e-12), row by row: x, y (rows, width), y may be x; norms (rows) or null.
template <typename T>
void l2_normalize(T* y, T* norms, const T* x, std::int64_t rows, std::int64_t width) {
    for (std::int64_t r = 0; r < rows; ++r) {
        T squares = 0;
        for (std::int64_t i = 0; i < width; ++i)
            squares += x[r * width + i] * x[r * width + i];
        const T norm = std::sqrt(squares);
        const T divisor = norm < T(1e-12) ? T(1e-12) : norm; // a NaN stays one
        for (std::int64_t i = 0; i < width; ++i)
            y[r * width + i] = x[r * width + i] / divisor;
        if (norms != nullptr)
            norms[r] = norm;
    }
}

/// grad_x = (grad_y - y (y . grad_y)) / |x|, row by row; where |x| was below 1e-12, grad_y / 1e-12.
///
/// Shapes:  y, grad_y, grad_x (rows, width), grad_x may be grad_y; norms (rows).
template <typename T>
void l2_normalize_backward(T* grad_x, const T* y, const T* norms, const T* grad_y,
                           std::int64_t rows, std::int64_t width) {
    for (std::int64_t r = 0; r < rows; ++r) {
        const bool constant = norms[r] < T(1e-12); // the divisor then does not depend on x
        T along = 0;
        for (std::int64_t i = 0; i < width && !constant; ++i)
            along += y[r * width + i] * grad_y[r * width + i];
        const T divisor = constant ? T(1e-12) : norms[r];
        for (std::int64_t i = 0; i < width; ++i)
            grad_x[r * width + i] = (grad_y[r * width + i] - y[r * width + i] * along) / divisor;
    }
}

} // namespace clip::ref

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

} // namespace clip::ref

// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>

namespace clip::ref {

/// y = (x - mean) / sqrt(var + eps) * gamma + beta, row by row.
///
/// Shapes:  x, y (rows, width), y may be x; gamma, beta (width); mean, rstd (rows) or null.
/// Numerics: two passes in T; the variance divides by the width.
template <typename T>
void layer_norm(T* y, T* mean, T* rstd, const T* x, const T* gamma, const T* beta, T eps,
                std::int64_t rows, std::int64_t width) {
    for (std::int64_t r = 0; r < rows; ++r) {
        const T* from = x + r * width;
        T sum = 0;
        for (std::int64_t i = 0; i < width; ++i)
            sum += from[i];
        const T centre = sum / static_cast<T>(width);
        T squares = 0;
        for (std::int64_t i = 0; i < width; ++i)
            squares += (from[i] - centre) * (from[i] - centre);
        const T scale = T(1) / std::sqrt(squares / static_cast<T>(width) + eps);
        for (std::int64_t i = 0; i < width; ++i)
            y[r * width + i] = (from[i] - centre) * scale * gamma[i] + beta[i];
        if (mean != nullptr)
            mean[r] = centre;
        if (rstd != nullptr)
            rstd[r] = scale;
    }
}

} // namespace clip::ref

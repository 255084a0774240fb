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

/// Gradient of layer_norm by x, row by row, plus a residual.
///
/// Shapes:  x, grad_y, grad_x (rows, width); gamma (width); mean, rstd (rows); residual (rows,
///          width), null or grad_x.
template <typename T>
void layer_norm_grad_x(T* grad_x, const T* x, const T* gamma, const T* mean, const T* rstd,
                       const T* grad_y, const T* residual, std::int64_t rows, std::int64_t width) {
    for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t at = r * width;
        T sum = 0, product = 0;
        for (std::int64_t i = 0; i < width; ++i) {
            const T g = grad_y[at + i] * gamma[i];
            sum += g;
            product += g * ((x[at + i] - mean[r]) * rstd[r]);
        }
        sum /= static_cast<T>(width);
        product /= static_cast<T>(width);
        for (std::int64_t i = 0; i < width; ++i) {
            const T z = (x[at + i] - mean[r]) * rstd[r];
            const T g = rstd[r] * (grad_y[at + i] * gamma[i] - sum - z * product);
            grad_x[at + i] = residual != nullptr ? g + residual[at + i] : g;
        }
    }
}

/// Adds to the gradients of column `i` of gamma and beta; either may be null.
template <typename T>
void layer_norm_grad_gain(T* grad_gamma, T* grad_beta, const T* x, const T* mean, const T* rstd,
                          const T* grad_y, std::int64_t rows, std::int64_t width, std::int64_t i) {
    T gamma = 0, beta = 0;
    for (std::int64_t r = 0; r < rows; ++r) {
        const T g = grad_y[r * width + i];
        gamma += g * ((x[r * width + i] - mean[r]) * rstd[r]);
        beta += g;
    }
    if (grad_gamma != nullptr)
        grad_gamma[i] += gamma;
    if (grad_beta != nullptr)
        grad_beta[i] += beta;
}

} // namespace clip::ref

// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>

#include "backend/ref/activation.hpp"

namespace clip::ref {

/// Mean and 1 / sqrt(variance + eps) of column `c`; the variance divides by the rows and is
/// returned.
///
/// Shapes:  x (rows, channels); mean, rstd (channels). Two passes in T.
template <typename T>
T batch_norm_statistics(T* mean, T* rstd, const T* x, T eps, std::int64_t rows,
                        std::int64_t channels, std::int64_t c) {
    T sum = 0;
    for (std::int64_t r = 0; r < rows; ++r)
        sum += x[r * channels + c];
    mean[c] = sum / static_cast<T>(rows);
    T squares = 0;
    for (std::int64_t r = 0; r < rows; ++r)
        squares += (x[r * channels + c] - mean[c]) * (x[r * channels + c] - mean[c]);
    const T variance = squares / static_cast<T>(rows);
    rstd[c] = T(1) / std::sqrt(variance + eps);
    return variance;
}

/// What a rank adds to the sums of a batch that is cut over ranks, in double: the sum of column
/// `c`, and of the squares around its mean.
template <typename T>
double batch_norm_sum(const T* x, std::int64_t rows, std::int64_t channels, std::int64_t c) {
    double sum = 0;
    for (std::int64_t r = 0; r < rows; ++r)
        sum += static_cast<double>(x[r * channels + c]);
    return sum;
}
template <typename T>
double batch_norm_squares(const T* x, double mean, std::int64_t rows, std::int64_t channels,
                          std::int64_t c) {
    double squares = 0;
    for (std::int64_t r = 0; r < rows; ++r) {
        const double apart = static_cast<double>(x[r * channels + c]) - mean;
        squares += apart * apart;
    }
    return squares;
}

/// y = activation((x - mean) * rstd * gamma + beta + residual) of one row.
template <typename T>
void batch_norm_row(T* y, const T* x, const T* mean, const T* rstd, const T* gamma, const T* beta,
                    const T* residual, Activation activation, std::int64_t channels) {
    for (std::int64_t c = 0; c < channels; ++c) {
        const T sum = (x[c] - mean[c]) * rstd[c] * gamma[c] + beta[c];
        y[c] = activate(activation, residual != nullptr ? sum + residual[c] : sum);
    }
}

/// Sums over the rows of column `c`: of grad_y, and of grad_y times the normalised x.
template <typename T>
void batch_norm_sums(T& grad_sum, T& product_sum, const T* x, const T* mean, const T* rstd,
                     const T* grad_y, std::int64_t rows, std::int64_t channels, std::int64_t c) {
    grad_sum = product_sum = T(0);
    for (std::int64_t r = 0; r < rows; ++r) {
        grad_sum += grad_y[r * channels + c];
        product_sum += grad_y[r * channels + c] * ((x[r * channels + c] - mean[c]) * rstd[c]);
    }
}

/// grad_x = gamma rstd (grad_y - mean(grad_y) - z mean(grad_y z)) of one row, z the normalised x;
/// the sums over `rows` rows are those of batch_norm_sums.
template <typename T>
void batch_norm_grad_row(T* grad_x, const T* x, const T* mean, const T* rstd, const T* gamma,
                         const T* grad_y, const T* grad_sums, const T* product_sums,
                         std::int64_t rows, std::int64_t channels) {
    for (std::int64_t c = 0; c < channels; ++c) {
        const T z = (x[c] - mean[c]) * rstd[c];
        grad_x[c] = gamma[c] * rstd[c] *
                    (grad_y[c] - grad_sums[c] / static_cast<T>(rows) -
                     z * (product_sums[c] / static_cast<T>(rows)));
    }
}

} // namespace clip::ref

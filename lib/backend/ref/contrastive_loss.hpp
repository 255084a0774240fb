// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace clip::ref {

/// A row's logits are scale * row . column; their log-sum-exp in two passes over the columns, so
/// that no row of them is kept. Returns it; `target` becomes the logit of column `own`.
///
/// Shapes:  row (width); columns (count, width).
template <typename T>
T contrastive_row(T* target, const T* row, const T* columns, T scale, std::int64_t own,
                  std::int64_t count, std::int64_t width) {
    const auto logit = [&](std::int64_t c) {
        T sum = 0;
        for (std::int64_t i = 0; i < width; ++i)
            sum += row[i] * columns[c * width + i];
        return scale * sum;
    };
    T largest = -std::numeric_limits<T>::infinity();
    for (std::int64_t c = 0; c < count; ++c) {
        const T value = logit(c);
        if (c == own)
            *target = value;
        largest = value > largest ? value : largest;
    }
    T sum = 0;
    for (std::int64_t c = 0; c < count; ++c)
        sum += std::exp(logit(c) - largest);
    return largest + std::log(sum);
}

/// grad_row (width) = weight * scale * sum over columns of (p + q - 2 own) column, where p is the
/// row's softmax over the columns and q each column's softmax over the rows.
template <typename T>
void contrastive_grad_row(T* grad_row, const T* row, const T* columns, T scale, std::int64_t own,
                          T row_log_sum_exp, const T* column_log_sum_exp, T weight,
                          std::int64_t count, std::int64_t width) {
    for (std::int64_t i = 0; i < width; ++i)
        grad_row[i] = T(0);
    for (std::int64_t c = 0; c < count; ++c) {
        T sum = 0;
        for (std::int64_t i = 0; i < width; ++i)
            sum += row[i] * columns[c * width + i];
        const T logit = scale * sum;
        const T g = weight * scale *
                    (std::exp(logit - row_log_sum_exp) + std::exp(logit - column_log_sum_exp[c]) -
                     (c == own ? T(2) : T(0)));
        for (std::int64_t i = 0; i < width; ++i)
            grad_row[i] += g * columns[c * width + i];
    }
}

/// The row's part of -weight * sum over columns of log sigmoid(z (scale row . column + bias)), z
/// being 1 for its own column and -1 elsewhere; gradients as above, both may be null.
template <typename T>
T siglip_row(T* grad_row, T* grad_bias, const T* row, const T* columns, T scale, T bias, T weight,
             std::int64_t own, std::int64_t count, std::int64_t width) {
    for (std::int64_t i = 0; i < width && grad_row != nullptr; ++i)
        grad_row[i] = T(0);
    T loss = 0, bias_sum = 0;
    for (std::int64_t c = 0; c < count; ++c) {
        T sum = 0;
        for (std::int64_t i = 0; i < width; ++i)
            sum += row[i] * columns[c * width + i];
        const T z = c == own ? T(1) : T(-1);
        const T away = -z * (scale * sum + bias);
        // -log sigmoid(-away) = log(1 + e^away), without overflow
        loss += away > T(0) ? away + std::log1p(std::exp(-away)) : std::log1p(std::exp(away));
        const T g = -z * weight / (T(1) + std::exp(-away));
        bias_sum += g;
        for (std::int64_t i = 0; i < width && grad_row != nullptr; ++i)
            grad_row[i] += g * scale * columns[c * width + i];
    }
    if (grad_bias != nullptr)
        *grad_bias = bias_sum;
    return weight * loss;
}

} // namespace clip::ref

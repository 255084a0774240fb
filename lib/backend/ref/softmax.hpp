// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace clip::ref {

/// Softmax of one row of `count` >= 1 values in place; returns the logarithm of the sum of their
/// exponentials. The largest is subtracted first, so nothing overflows; a NaN makes the row NaN.
template <typename T>
T softmax_row(T* row, std::int64_t count) {
    T largest = -std::numeric_limits<T>::infinity();
    for (std::int64_t i = 0; i < count; ++i)
        largest = std::max(largest, row[i]);
    T sum = 0;
    for (std::int64_t i = 0; i < count; ++i) {
        row[i] = std::exp(row[i] - largest);
        sum += row[i];
    }
    for (std::int64_t i = 0; i < count; ++i)
        row[i] /= sum;
    return largest + std::log(sum);
}

/// Softmax over each row: x, y (rows, count), y may be x.
template <typename T>
void softmax(T* y, const T* x, std::int64_t rows, std::int64_t count) {
    for (std::int64_t r = 0; r < rows; ++r) {
        if (y != x)
            std::copy_n(x + r * count, count, y + r * count);
        softmax_row(y + r * count, count);
    }
}

} // namespace clip::ref

// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

namespace clip::ref {

/// The k largest of each row, largest first; equal values keep their order; NaN counts as smallest.
///
/// Shapes:  x (rows, count); values, indices (rows, k); k is at most `count`.
template <typename T>
void top_k(T* values, std::int64_t* indices, const T* x, std::int64_t rows, std::int64_t count,
           std::int64_t k) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(count));
    for (std::int64_t r = 0; r < rows; ++r) {
        const T* row = x + r * count;
        std::iota(order.begin(), order.end(), std::int64_t{0});
        std::partial_sort(order.begin(), order.begin() + k, order.end(),
                          [row](std::int64_t a, std::int64_t b) {
                              const bool a_number = !std::isnan(row[a]);
                              const bool b_number = !std::isnan(row[b]);
                              if (a_number != b_number)
                                  return a_number;
                              if (a_number && row[a] != row[b])
                                  return row[a] > row[b];
                              return a < b;
                          });
        for (std::int64_t i = 0; i < k; ++i) {
            indices[r * k + i] = order[static_cast<std::size_t>(i)];
            values[r * k + i] = row[order[static_cast<std::size_t>(i)]];
        }
    }
}

} // namespace clip::ref

// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace clip::ref {

/// y[r] = table[ids[r]] + positions[places[r]].
///
/// Shapes:  y (rows, width); ids, places (rows); positions (T, width). `load(i)` gives element i of
///          the table (V, width) as a T: the table may be a part of a mapped file, of any
///          alignment.
template <typename T, typename Load>
void embedding(T* y, const std::int32_t* ids, const std::int32_t* places, Load load,
               const T* positions, std::int64_t rows, std::int64_t width) {
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t d = 0; d < width; ++d)
            y[r * width + d] = load(ids[r] * width + d) + positions[places[r] * width + d];
}

/// Adds grad_y[r] to the rows indices[r] of `grad`, in the order of the rows, columns [begin, end).
///
/// Shapes:  grad_y (rows, width); indices (rows); grad (any, width).
template <typename T>
void scatter_add(T* grad, const std::int32_t* indices, const T* grad_y, std::int64_t rows,
                 std::int64_t width, std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t d = begin; d < end; ++d)
            grad[indices[r] * width + d] += grad_y[r * width + d];
}

} // namespace clip::ref

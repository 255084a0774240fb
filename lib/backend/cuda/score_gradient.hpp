// SPDX-License-Identifier: MIT
// The gradient of a loss of scores by their rows: weights (R, C), one a score, times columns (C,
// E).
//
// The weights are never all there: 4096 rows and 1024 columns of them are made at a time (16 MiB,
// which stay in L2), multiplied, and forgotten. A kernel that keeps them in registers instead, as
// attention does, has no room for rows of 512 to 1024 sums beside them: it would have to make them
// again for every 128 or 256 of these, which costs more than to write and read them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backend/cuda/context.hpp"
#include "tensor/view.hpp"

namespace clip::cuda {

constexpr std::int64_t kPartRows = 4096;
constexpr std::int64_t kPartColumns = 1024; ///< sums of so many are added up: bits depend on it

/// part(first row, rows) for all rows, kPartRows at most each time.
template <typename Part>
void for_row_parts(std::int64_t rows, const Part& part) {
    for (std::int64_t row = 0; row < rows; row += kPartRows)
        part(row, std::min(kPartRows, rows - row));
}

/// part(first column, columns) for all columns, kPartColumns at most each time, in order.
template <typename Part>
void for_column_parts(std::int64_t columns, const Part& part) {
    for (std::int64_t column = 0; column < columns; column += kPartColumns)
        part(column, std::min(kPartColumns, columns - column));
}

/// The rows of a matrix from `first` on.
inline ConstView rows_of(const ConstView& matrix, std::int64_t first, std::int64_t count) {
    return part_of(matrix, first * matrix.shape[1], Shape{count, matrix.shape[1]});
}

/// grad_rows (R, E) = weights (R, C) columns (C, E), or += where `adds`; weights are kPartColumns
/// apart and aligned to 16 bytes. As exact as float32.
void multiply_columns(Context& context, float* grad_rows, const float* weights, std::int64_t rows,
                      const ConstView& columns, bool adds);

} // namespace clip::cuda

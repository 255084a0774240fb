// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "backend/cuda/context.hpp"
#include "base/dtype.hpp"

namespace clip::cuda {

/// Where the sums of a matrix's columns are added.
struct ColumnTotals {
    float* all = nullptr;   ///< (columns), or null
    float* first = nullptr; ///< the first `first_count` columns once more, or null
    std::int64_t first_count = 0;
};

/// Adds the sums over the rows of `x` (rows, columns) of f32, f16 or bf16, rows `pitch` elements
/// apart: gradients of biases, of positions and of class tokens. Summed in float64, in slices of a
/// fixed number of rows (column_sums.hpp).
void add_column_totals(Context& context, const ColumnTotals& to, const void* x, DType dtype,
                       std::int64_t rows, std::int64_t columns, std::int64_t pitch);

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// What the backward passes of linear layers, convolutions and patches share.
#pragma once

#include <functional>

#include "backend/cpu/workspace.hpp"

namespace clip::cpu {

/// Rows that are summed in one go; a gradient of weights is the sum of such slices in their order,
/// so its bits do not depend on threads. A panel of a slice stays in the first-level cache.
constexpr std::int64_t kRowsOfSlice = 256;
/// Rows that are gathered before they are multiplied: whole slices.
constexpr std::int64_t kRowsGathered = 4 * kRowsOfSlice;

/// gradient (out, in) += grad_y^T x over any number of rows: grad_y (rows, out), x (rows, in).
/// Calls for kRowsGathered rows each give the bits of one call.
void add_product(Context& context, float* gradient, const float* grad_y, std::int64_t out,
                 const float* x, std::int64_t in, std::int64_t rows);

/// Sums `count` values over rows: slices of a fixed number of rows apart, which are then added in
/// their order. `add(first, end, sums)` adds rows [first, end) to `sums`, which begin with 0;
/// `to(index, sum)` takes the totals.
void sum_over_rows(
    Context& context, std::int64_t rows, std::int64_t count,
    const std::function<void(std::int64_t first, std::int64_t end, float* sums)>& add,
    const std::function<void(std::int64_t index, double sum)>& to);

/// gradient (columns) += sum over rows of x (rows, columns), rows `step` floats apart.
void add_column_sums(Context& context, float* gradient, const float* x, std::int64_t rows,
                     std::int64_t columns, std::int64_t step);

} // namespace clip::cpu

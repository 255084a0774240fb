// SPDX-License-Identifier: MIT
// Sums over the rows of a matrix, column by column, in float64: of slices of rows first, then of
// the slices in their order. How rows are cut depends on their number alone, and so do the bits.
//
//     first kernel    add_slice(partial, cut, column, term)     a block: a slice, a tile of columns
//     second kernel   finish_columns(partial, cut, finish)      a block: a few columns
//
// Traffic: what `term` reads, once, and 16 * sums * columns bytes a slice. A float64 addition for
// each element and sum: A100 and H100 have the rate for it and still wait for memory.
#pragma once

#include <cstdint>

#include "backend/cuda/device_api.hpp"
#include "backend/cuda/launch.hpp"

namespace clip::cuda {

/// Threads of a block of either kernel.
constexpr int kColumnThreads = 256;
/// Threads beside each other in a block of the first kernel, each with `width` columns.
constexpr int kColumnLanes = 16;
/// Threads of the first kernel that share columns: each takes every 16th row of a slice.
constexpr int kRowLanes = kColumnThreads / kColumnLanes;
/// A block of the second kernel has 16 columns and 16 threads for each.
constexpr int kFinishLanes = 16;

struct ColumnSlices {
    std::int64_t rows = 0, columns = 0;
    std::int64_t slice_rows = 0; ///< a multiple of 64
    std::int64_t slices = 0;
};

/// At most 512 slices, of 256 rows at least: enough blocks for any GPU, and partial sums that are
/// small beside the matrix.
inline ColumnSlices cut_rows(std::int64_t rows, std::int64_t columns) {
    constexpr std::int64_t kMostSlices = 512, kLeastRows = 256, kUnit = 64;
    std::int64_t slice_rows = (rows + kMostSlices - 1) / kMostSlices;
    slice_rows = (slice_rows + kUnit - 1) / kUnit * kUnit;
    if (slice_rows < kLeastRows)
        slice_rows = kLeastRows;
    return {rows, columns, slice_rows, (rows + slice_rows - 1) / slice_rows};
}

/// float64 numbers that the first kernel writes: (slices, sums, columns).
inline std::int64_t partial_count(const ColumnSlices& cut, int sums) {
    return cut.slices * sums * cut.columns;
}

inline LaunchShape slice_shape(const ColumnSlices& cut, int sums, int width) {
    const std::int64_t tile = std::int64_t{kColumnLanes} * width;
    return {
        {static_cast<unsigned>((cut.columns + tile - 1) / tile), static_cast<unsigned>(cut.slices)},
        {kColumnThreads},
        static_cast<std::size_t>(sums) * kColumnThreads * static_cast<std::size_t>(width) *
            sizeof(double)};
}

inline LaunchShape finish_shape(const ColumnSlices& cut, int sums) {
    return {{static_cast<unsigned>((cut.columns + kFinishLanes - 1) / kFinishLanes)},
            {kColumnThreads},
            static_cast<std::size_t>(sums) * kColumnThreads * sizeof(double)};
}

/// The first of this thread's `Width` columns; it has none where that is `columns` or more.
template <int Width>
CLIP_DEVICE std::int64_t own_column() {
    return (std::int64_t{block_x()} * kColumnLanes + thread_x() % kColumnLanes) * Width;
}

/// Calls `term(row, sums)` for this thread's rows, where it has a column; `term` adds to
/// sums[i][w], of column own_column() + w. Then all threads of the block add up.
template <int Width, int Sums, typename Term>
CLIP_DEVICE void add_slice(Global<double> partial, const ColumnSlices& cut, const Term& term) {
    constexpr int kTile = kColumnLanes * Width;
    const int own_lane = thread_x() % kColumnLanes, row_lane = thread_x() / kColumnLanes;
    const std::int64_t first = block_y() * cut.slice_rows;
    const std::int64_t end = min(first + cut.slice_rows, cut.rows);
    double sums[Sums][Width] = {};
    if (own_column<Width>() < cut.columns)
        for (std::int64_t r = first + row_lane; r < end; r += kRowLanes)
            term(r, sums);
    const Shared<double> lanes = shared_memory<double>(0); // (Sums, kRowLanes, kTile)
    for (int i = 0; i < Sums; ++i)
        for (int w = 0; w < Width; ++w)
            lanes[(i * kRowLanes + row_lane) * kTile + own_lane * Width + w] = sums[i][w];
    block_barrier();
    for (int at = thread_x(); at < Sums * kTile; at += kColumnThreads) {
        const int i = at / kTile, c = at % kTile;
        const std::int64_t column = std::int64_t{block_x()} * kTile + c;
        if (column >= cut.columns)
            continue;
        double sum = 0;
        for (int lane_of_rows = 0; lane_of_rows < kRowLanes; ++lane_of_rows) {
            const double part = lanes[(i * kRowLanes + lane_of_rows) * kTile + c];
            sum += part;
        }
        partial[(std::int64_t{block_y()} * Sums + i) * cut.columns + column] = sum;
    }
}

/// Adds up the slices and calls `finish(column, sums)` by one thread for each column.
template <int Sums, typename Finish>
CLIP_DEVICE void finish_columns(Global<const double> partial, const ColumnSlices& cut,
                                const Finish& finish) {
    const int own_lane = thread_x() % kFinishLanes, slice_lane = thread_x() / kFinishLanes;
    const std::int64_t column = std::int64_t{block_x()} * kFinishLanes + own_lane;
    double sums[Sums] = {};
    if (column < cut.columns)
        for (std::int64_t s = slice_lane; s < cut.slices; s += kColumnThreads / kFinishLanes)
            for (int i = 0; i < Sums; ++i) {
                const double part = partial[(s * Sums + i) * cut.columns + column];
                sums[i] += part;
            }
    const Shared<double> lanes = shared_memory<double>(0); // (Sums, kColumnThreads)
    for (int i = 0; i < Sums; ++i)
        lanes[i * kColumnThreads + thread_x()] = sums[i];
    block_barrier();
    if (slice_lane != 0 || column >= cut.columns)
        return;
    for (int i = 0; i < Sums; ++i) {
        sums[i] = 0;
        for (int lane_of_slices = 0; lane_of_slices < kColumnThreads / kFinishLanes;
             ++lane_of_slices) {
            const double part =
                lanes[i * kColumnThreads + lane_of_slices * kFinishLanes + own_lane];
            sums[i] += part;
        }
    }
    finish(column, sums);
}

} // namespace clip::cuda

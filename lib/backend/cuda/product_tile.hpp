// SPDX-License-Identifier: MIT
// One block's tile of a product of float32 matrices, as exact as float32: what similarity,
// similarity_top_k and the losses have in common. Each element has one order of summation, whatever
// tile, place in it, or alignment it is computed with, so that all of them give the same bits.
#pragma once

#include <cstdint>

#include "backend/cuda/split_tf32.hpp"

namespace clip::cuda {

constexpr int kTile = 64; // rows and columns of a tile: 4 warps of (32, 32)
constexpr int kTileThreads = 128;
constexpr int kTileDepth = 32; // terms of a stage; also of a chain in the tensor cores
constexpr int kTileStages = 3;
constexpr int kTileStageFloats = 2 * kTile * kTileDepth;
constexpr int kTileSharedBytes = kTileStages * kTileStageFloats * 4; // 48 KiB: three blocks an SM

/// How the right operand lies in memory.
enum class RightSide {
    rows,    ///< (columns of the product, depth): scores of rows with rows
    columns, ///< (depth, columns of the product): weights with rows
};

/// a (rows, depth) times b, of which one tile is computed.
struct TileOperands {
    Global<const float> a; ///< rows a_stride apart
    Global<const float> b; ///< rows b_stride apart
    std::int64_t rows = 0, columns = 0, depth = 0;
    std::int64_t a_stride = 0, b_stride = 0;
    bool aligned = false; ///< a, b and their strides are multiples of 16 bytes
};

/// Whether 16 bytes at a time can be copied from rows that are `stride` floats apart.
inline bool is_aligned(const void* at, std::int64_t stride) {
    return reinterpret_cast<std::uintptr_t>(at) % 16 == 0 && stride % 4 == 0;
}

/// A thread's part of a tile: sums[m][n][i] is at row(m, i) and column(n, i) of it, as the tensor
/// cores leave them.
struct TileSums {
    float at[2][4][4];

    CLIP_DEVICE static int row(int m, int i) {
        return warp() / 2 * 32 + m * 16 + lane() / 4 + (i >= 2 ? 8 : 0);
    }
    CLIP_DEVICE static int column(int n, int i) {
        return warp() % 2 * 32 + n * 8 + lane() % 4 * 2 + (i & 1);
    }
};

namespace detail {

/// Stages lie in shared memory in units of 4 floats. These are permuted, so that the 8 rows of an
/// ldmatrix, or the 4 rows and 8 columns of a fragment, are in different banks.
CLIP_DEVICE int unit_of_row(int row, int unit) {
    return row * 8 + (unit ^ (row & 7)); // 8 units a row of kTileDepth floats
}
CLIP_DEVICE int unit_of_column(int row, int unit) {
    return row * 16 + (unit ^ ((row & 3) * 2)); // 16 units a row of kTile floats
}

/// 4 floats from (row, column) on; zeros outside of (rows, columns).
CLIP_DEVICE void load_unit(Shared<float> to, Global<const float> from, std::int64_t row,
                           std::int64_t column, std::int64_t rows, std::int64_t columns,
                           std::int64_t stride, bool aligned) {
    const std::int64_t left = row < rows && column < columns ? columns - column : 0;
    const auto count = static_cast<int>(min<std::int64_t>(left, 4));
    const Global<const float> at = from + row * stride + column;
    if (aligned) {
        copy_async(to, count > 0 ? at : from, count * 4);
        return;
    }
    Vec<float, 4> unit;
    CLIP_UNROLL
    for (int i = 0; i < 4; ++i)
        unit.at[i] = i < count ? at[i] : 0.0F;
    store(to, unit);
}

template <RightSide Side>
CLIP_DEVICE void load_stage(Shared<float> stage, const TileOperands& of, std::int64_t row,
                            std::int64_t column, std::int64_t depth) {
    const Shared<float> right = stage + kTile * kTileDepth;
    CLIP_UNROLL
    for (int i = 0; i < 4; ++i) {
        const int unit = i * kTileThreads + thread_x();
        load_unit(stage + unit_of_row(unit / 8, unit % 8) * 4, of.a, row + unit / 8,
                  depth + unit % 8 * 4, of.rows, of.depth, of.a_stride, of.aligned);
        if constexpr (Side == RightSide::rows)
            load_unit(right + unit_of_row(unit / 8, unit % 8) * 4, of.b, column + unit / 8,
                      depth + unit % 8 * 4, of.columns, of.depth, of.b_stride, of.aligned);
        else
            load_unit(right + unit_of_column(unit / 16, unit % 16) * 4, of.b, depth + unit / 16,
                      column + unit % 16 * 4, of.depth, of.columns, of.b_stride, of.aligned);
    }
}

/// sums += a stage's products, of which the first `depth` are not all zero.
template <RightSide Side>
CLIP_DEVICE void add_stage(TileSums& sums, Shared<float> stage, std::int64_t depth) {
    const Shared<float> right = stage + kTile * kTileDepth;
    const int above = warp() / 2 * 32, before = warp() % 2 * 32;
    float chain[2][4][4] = {};
    CLIP_UNROLL
    for (int k = 0; k < kTileDepth / 8; ++k) {
        if (k * 8 >= depth)
            break;
        SplitFragment<4> a[2];
        CLIP_UNROLL
        for (int m = 0; m < 2; ++m) {
            std::uint32_t raw[4];
            const int row = above + m * 16 + lane() % 16;
            load_matrix_x4(raw, stage + unit_of_row(row, k * 2 + lane() / 16) * 4);
            a[m] = split_fragment(raw);
        }
        CLIP_UNROLL
        for (int pair = 0; pair < 2; ++pair) {
            std::uint32_t raw[4];
            if constexpr (Side == RightSide::rows) {
                const int row = before + pair * 16 + lane() / 16 * 8 + lane() % 8;
                load_matrix_x4(raw, right + unit_of_row(row, k * 2 + lane() / 8 % 2) * 4);
            } else {
                CLIP_UNROLL
                for (int i = 0; i < 4; ++i) {
                    const int row = k * 8 + lane() % 4 + i % 2 * 4;
                    const int column = before + pair * 16 + i / 2 * 8 + lane() / 4;
                    const float value = right[unit_of_column(row, column / 4) * 4 + column % 4];
                    raw[i] = bits_of(value);
                }
            }
            const SplitFragment<2> first = split_fragment<2>({raw[0], raw[1]});
            const SplitFragment<2> second = split_fragment<2>({raw[2], raw[3]});
            CLIP_UNROLL
            for (int m = 0; m < 2; ++m) {
                mma_split_tf32(chain[m][pair * 2], a[m], first);
                mma_split_tf32(chain[m][pair * 2 + 1], a[m], second);
            }
        }
    }
    CLIP_UNROLL
    for (int m = 0; m < 2; ++m)
        CLIP_UNROLL
    for (int n = 0; n < 4; ++n)
        CLIP_UNROLL
    for (int i = 0; i < 4; ++i)
        sums.at[m][n][i] += chain[m][n][i];
}

/// The element as plain loops give it, in float64.
template <RightSide Side>
CLIP_DEVICE float plain_element(const TileOperands& of, std::int64_t row, std::int64_t column) {
    const Global<const float> a = of.a + row * of.a_stride;
    const Global<const float> b = of.b + (Side == RightSide::rows ? column * of.b_stride : column);
    const std::int64_t step = Side == RightSide::rows ? 1 : of.b_stride;
    double sum = 0;
#pragma unroll 1 // there is one of these for each element of a thread
    for (std::int64_t k = 0; k < of.depth; ++k) {
        const float left = a[k], right = b[k * step];
        sum += static_cast<double>(left) * static_cast<double>(right);
    }
    return static_cast<float>(sum);
}

/// Splitting makes NaN of infinities, and infinities of the largest numbers. Where there are none,
/// one branch goes past the code for 32 elements, which would push the rest out of the instruction
/// cache.
template <RightSide Side>
CLIP_DEVICE void repair(TileSums& sums, const TileOperands& of, std::int64_t row,
                        std::int64_t column) {
    bool finite = true;
    CLIP_UNROLL
    for (int m = 0; m < 2; ++m)
        CLIP_UNROLL
    for (int n = 0; n < 4; ++n)
        CLIP_UNROLL
    for (int i = 0; i < 4; ++i)
        finite = finite && sums.at[m][n][i] - sums.at[m][n][i] == 0.0F;
    if (finite)
        return;
    CLIP_UNROLL
    for (int m = 0; m < 2; ++m)
        CLIP_UNROLL
    for (int n = 0; n < 4; ++n)
        CLIP_UNROLL
    for (int i = 0; i < 4; ++i) {
        const float sum = sums.at[m][n][i];
        const std::int64_t r = row + TileSums::row(m, i);
        const std::int64_t c = column + TileSums::column(n, i);
        if (sum - sum != 0.0F && r < of.rows && c < of.columns)
            sums.at[m][n][i] = plain_element<Side>(of, r, c);
    }
}

} // namespace detail

/// The tile from (row, column) on, by the whole block of kTileThreads; what lies outside of the
/// product is undefined. The first kTileSharedBytes of shared memory are written over; all threads
/// must be done with them before, and are when this returns.
template <RightSide Side>
CLIP_DEVICE TileSums product_tile(const TileOperands& of, std::int64_t row, std::int64_t column) {
    const auto stages = shared_memory<float>(0);
    const auto count = static_cast<int>((of.depth + kTileDepth - 1) / kTileDepth);
    const bool works = row + warp() / 2 * 32 < of.rows && column + warp() % 2 * 32 < of.columns;
    const auto load = [&](int i) {
        if (i < count)
            detail::load_stage<Side>(stages + i % kTileStages * kTileStageFloats, of, row, column,
                                     std::int64_t{i} * kTileDepth);
        copy_async_commit(); // an empty group where there is nothing: groups are counted
    };
    TileSums sums{};
    for (int i = 0; i < kTileStages - 1; ++i)
        load(i);
    for (int i = 0; i < count; ++i) {
        copy_async_wait<kTileStages - 2>();
        block_barrier(); // stage i is there for all; all are done with stage i - 1
        load(i + kTileStages - 1);
        if (works)
            detail::add_stage<Side>(sums, stages + i % kTileStages * kTileStageFloats,
                                    of.depth - std::int64_t{i} * kTileDepth);
    }
    copy_async_wait<0>();
    block_barrier();
    detail::repair<Side>(sums, of, row, column);
    return sums;
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// Rows against columns, a tile of scores a block: the grid that similarity and the losses share.
#pragma once

#include <cstdint>

#include "backend/cuda/launch.hpp"
#include "backend/cuda/product_tile.hpp"
#include "tensor/view.hpp"

namespace clip::cuda {

/// Tiles that `count` rows or columns take.
constexpr std::int64_t tiles_of(std::int64_t count) {
    return (count + kTile - 1) / kTile;
}

/// rows (R, E) columns^T, columns (C, E).
inline TileOperands score_operands(const ConstView& rows, const ConstView& columns) {
    TileOperands of;
    of.a = rows.f32();
    of.b = columns.f32();
    of.rows = rows.shape[0];
    of.columns = columns.shape[0];
    of.depth = of.a_stride = of.b_stride = rows.shape[1];
    of.aligned = is_aligned(rows.data, of.depth) && is_aligned(columns.data, of.depth);
    return of;
}

/// A block a tile. Blocks side by side have the same columns, which then come from L2.
inline LaunchShape tile_grid(const TileOperands& of) {
    return {.grid = {static_cast<unsigned>(tiles_of(of.rows) * tiles_of(of.columns))},
            .block = {kTileThreads},
            .shared_bytes = kTileSharedBytes};
}

/// Where this block's tile begins.
CLIP_DEVICE std::int64_t tile_row(const TileOperands& of) {
    return block_x() % ((of.rows + kTile - 1) / kTile) * kTile;
}
CLIP_DEVICE std::int64_t tile_column(const TileOperands& of) {
    return block_x() / ((of.rows + kTile - 1) / kTile) * kTile;
}

/// Whether two floats at a time may be written to rows of `columns` floats.
inline bool takes_pairs(const void* y, std::int64_t columns) {
    return columns % 2 == 0 && reinterpret_cast<std::uintptr_t>(y) % 8 == 0;
}

/// y (rows, columns) = factor * the tile's sums, or += these; two at a time where `pairs`.
CLIP_DEVICE void write_tile(Global<float> y, const TileSums& sums, const TileOperands& of,
                            std::int64_t row, std::int64_t column, float factor, bool adds,
                            bool pairs) {
    CLIP_UNROLL
    for (int m = 0; m < 2; ++m)
        CLIP_UNROLL
    for (int i = 0; i < 4; i += 2)
        CLIP_UNROLL
    for (int n = 0; n < 4; ++n) {
        const std::int64_t r = row + TileSums::row(m, i);
        const std::int64_t c = column + TileSums::column(n, i);
        if (r >= of.rows || c >= of.columns)
            continue;
        const Global<float> to = y + r * of.columns + c;
        const bool both = c + 1 < of.columns;
        Vec<float, 2> out{{factor * sums.at[m][n][i], factor * sums.at[m][n][i + 1]}};
        if (adds) {
            out.at[0] += to[0];
            if (both)
                out.at[1] += to[1];
        }
        if (pairs) {
            store(to, out);
        } else {
            to[0] = out.at[0];
            if (both)
                to[1] = out.at[1];
        }
    }
}

} // namespace clip::cuda

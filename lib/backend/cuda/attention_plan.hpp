// SPDX-License-Identifier: MIT
// Which piece of attention each block or warp computes. Made on the host from the offsets, since
// sequences differ in length; the same list serves all heads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace clip::cuda {

/// Some rows of one sequence, for a block.
struct AttentionTile {
    std::int64_t q_row, k_row; ///< where the sequence begins
    std::int32_t queries, keys;
    std::int32_t first; ///< the tile's first query (or key, where keys are what is in tiles)
    std::int32_t unused;
};

/// One row against some rows of the other side, for a warp: a query and the keys that it sees, or a
/// key and the queries that see it.
struct AttentionRow {
    std::int64_t row;
    std::int64_t other_row; ///< the first of the others
    std::int64_t others;
    std::int64_t unused;
};

struct AttentionPlan {
    std::vector<AttentionTile> tiles;
    std::vector<AttentionRow> rows;
    std::int64_t most_others = 0; ///< of a tile: columns that any of its rows needs, at most
};

/// What side is cut into tiles and rows.
enum class AttentionSide { queries, keys };

struct AttentionPlanOptions {
    AttentionSide side = AttentionSide::queries;
    bool causal = false;
    int tile = 64; ///< rows of a tile; 0: no tiles at all, only rows
    /// Sequences of a single query are rows, not tiles. What a sequence becomes depends on nothing
    /// but itself, since tiles and rows may differ in the last bit.
    bool single_rows = false;
};

/// Offsets are as in AttentionArgs. Tiles that take longest come first, so that the last blocks to
/// run are short ones.
AttentionPlan plan_attention(std::span<const std::int64_t> q_offsets,
                             std::span<const std::int64_t> k_offsets,
                             const AttentionPlanOptions& options);

} // namespace clip::cuda

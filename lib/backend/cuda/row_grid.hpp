// SPDX-License-Identifier: MIT
// How kernels that work row by row are launched: a warp a row with the row in registers, or a block
// a row that reads it again for each pass.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/launch.hpp"
#include "backend/cuda/quad.hpp"

namespace clip::cuda {

/// Rows of a block, a warp each: small blocks, so that the last ones leave few SMs idle.
inline constexpr int kWarpRows = 4;
inline constexpr int kWarpRowThreads = kWarpRows * kWarpSize;
/// Elements of a row that one quad of each lane makes.
inline constexpr int kWarpRowStep = kWarpSize * kQuad;
/// A lane's quads of the widest row that a warp takes: 32 registers, of some 96 a thread. Five
/// blocks of an SM then have 80 KiB of reads in flight.
inline constexpr int kMostQuads = 8;

inline constexpr int kBlockRowThreads = 256;
inline constexpr int kBlockRowWarps = kBlockRowThreads / kWarpSize;
inline constexpr int kBlockRowStep = kBlockRowThreads * kQuad;

/// Where this lane's quad number `i` begins in its row.
CLIP_DEVICE std::int64_t first_of_lane(int i) {
    return std::int64_t{i} * kWarpRowStep + std::int64_t{lane()} * kQuad;
}
/// Where this thread's first quad begins in its block's row.
CLIP_DEVICE std::int64_t first_of_thread() {
    return std::int64_t{thread_x()} * kQuad;
}

inline unsigned blocks_for(std::int64_t items, std::int64_t of_block) {
    return static_cast<unsigned>((items + of_block - 1) / of_block);
}
inline LaunchShape warp_rows(std::int64_t rows) {
    return {.grid = {blocks_for(rows, kWarpRows)}, .block = {kWarpRowThreads}};
}
inline LaunchShape block_rows(std::int64_t rows, std::size_t shared_bytes) {
    return {.grid = {static_cast<unsigned>(rows)},
            .block = {kBlockRowThreads},
            .shared_bytes = shared_bytes};
}

/// Calls body.operator()<kQuads, kAligned>() with the variant for rows of `width` elements; kQuads
/// is 0 for a block a row. Between the widths of CLIP's towers (512, 768, 1024) one size will do.
template <typename Body>
void visit_row_variant(std::int64_t width, bool aligned, const Body& body) {
    if (width > std::int64_t{kMostQuads} * kWarpRowStep)
        aligned ? body.template operator()<0, true>() : body.template operator()<0, false>();
    else if (!aligned)
        body.template operator()<kMostQuads, false>();
    else if (width <= 4 * kWarpRowStep)
        body.template operator()<4, true>();
    else if (width <= 6 * kWarpRowStep)
        body.template operator()<6, true>();
    else
        body.template operator()<kMostQuads, true>();
}

} // namespace clip::cuda

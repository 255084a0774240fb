// SPDX-License-Identifier: MIT
// Patches of pictures as rows of a product's operand: read where they are, or copied.
#pragma once

#include <cstdint>

#include "backend/cuda/context.hpp"
#include "backend/cuda/fast_divisor.hpp"
#include "backend/cuda/gemm_operand.hpp"
#include "backend/cuda/tile_loader.hpp"

namespace clip::cuda {

/// How pictures (N, 3, S, S) are cut: row n G G + gy G + gx is a patch, of 3 P P elements ordered
/// (channel, row, column).
struct PatchGrid {
    FastDivisor patch, patch_area, grid, grid_area;
    std::int64_t side = 0, patch_pixels = 0;
    std::int64_t rows = 0, width = 0;

    PatchGrid() = default;
    /// Host side.
    PatchGrid(std::int64_t pictures, std::int64_t picture_side, std::int64_t patch_side)
        : patch(patch_side), patch_area(patch_side * patch_side), grid(picture_side / patch_side),
          grid_area((picture_side / patch_side) * (picture_side / patch_side)), side(picture_side),
          patch_pixels(patch_side),
          rows(pictures * (picture_side / patch_side) * (picture_side / patch_side)),
          width(3 * patch_side * patch_side) {}

    /// Where a patch's first element is.
    CLIP_DEVICE std::int64_t origin(int row) const {
        const int picture = grid_area.quotient(row);
        const int place = grid_area.remainder(row, picture);
        const int y = grid.quotient(place), x = grid.remainder(place, y);
        return (picture * 3 * side + y * patch_pixels) * side + x * patch_pixels;
    }
    /// From there to an element.
    CLIP_DEVICE std::int64_t offset(int element) const {
        const int channel = patch_area.quotient(element);
        const int place = patch_area.remainder(element, channel);
        const int y = patch.quotient(place), x = patch.remainder(place, y);
        return (channel * side + y) * side + x;
    }
};

/// Patches of float32 pictures; rows are the result's (KContiguous) or k. A chunk is 4 pixels of
/// one row, so that patches are of a multiple of 4 pixels, and pictures begin at one of 16 bytes.
template <bool KContiguous>
struct PatchLoader {
    using Element = float;
    static constexpr bool kContiguous = KContiguous;
    static constexpr bool kAsync = true;
    struct Line {
        Global<const float> at;
        bool inside;
    };
    struct Chunk {
        std::int64_t offset;
        int bytes;
    };

    Global<const float> pictures;
    PatchGrid grid;

    CLIP_DEVICE Line line(std::int64_t index) const {
        const std::int64_t row = min(index, grid.rows - 1);
        return {pictures + grid.origin(static_cast<int>(row)), index < grid.rows};
    }
    CLIP_DEVICE Chunk chunk(std::int64_t index) const {
        return {grid.offset(static_cast<int>(index)), index < grid.width ? kChunkBytes : 0};
    }
    CLIP_DEVICE Piece<float> piece(const Line& line, const Chunk& chunk) const {
        return {line.at + chunk.offset, KContiguous || line.inside ? chunk.bytes : 0};
    }
};

/// Whether PatchLoader can read these pictures.
inline bool reads_patches(const float* pictures, std::int64_t patch) {
    return patch % 4 == 0 && reinterpret_cast<std::uintptr_t>(pictures) % kChunkBytes == 0;
}

/// Copies the patches of `pictures` to rows of another type in `scope`.
AlignedMatrix copy_patches(Context& context, Workspace::Scope& scope, const float* pictures,
                           const PatchGrid& grid, DType to_type);

} // namespace clip::cuda

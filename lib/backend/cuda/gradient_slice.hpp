// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace clip::cuda {

/// Rows of a slice: some 64 for each 128 x 128 tile of the weight, so that ViT-B/32's 12,800 rows
/// at batch 256 make two or three hundred blocks of any of its weights. Powers of 2, from 256 to
/// 16,384: partial sums are then at most a few times the bytes of the operands.
inline std::int64_t gradient_slice(std::int64_t out, std::int64_t in) {
    constexpr std::int64_t kTile = 128, kRowsPerTile = 64, kLeast = 256, kMost = 16384;
    const std::int64_t tiles = ((out + kTile - 1) / kTile) * ((in + kTile - 1) / kTile);
    std::int64_t rows = kLeast;
    while (rows < kMost && rows * 2 <= tiles * kRowsPerTile)
        rows *= 2;
    return rows;
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// Where an operand of a product lies in shared memory while a block multiplies it, and how a warp
// takes its fragments from there.
//
// A tile is `Extent` rows (or columns) of the result by 64 bytes of the inner index k: 32 elements
// of 16 bits or 16 of float32, which is two steps of mma.m16n8k16 or two of m16n8k8 (tf32). It is
// made of lines of 16-byte chunks:
//
//   k contiguous   a line is one row, 4 chunks along k;            (M, K) and (N, K) in memory
//   otherwise      a line is one k, Extent elements in chunks;     (K, M) and (K, N) in memory
//
// No access has a bank conflict, since chunks of a line are permuted by an exclusive or with the
// line's number:
//   - k contiguous: two lines share 128 bytes, the width of all banks. ldmatrix reads one chunk of
//   8
//     lines in a row; with chunk ^ (line / 2 % 4) these lie in 8 different groups of banks.
//   - 16 bits, a line a k: lines are a multiple of 128 bytes, and ldmatrix (transposed) reads one
//     chunk of 8 lines: chunk ^ (line % 8).
//   - float32, a line a k: there is no ldmatrix that transposes 32 bits, so lanes read elements: 8
//     in a row of each of 4 lines. chunk ^ (line % 4 * 2) puts these 4 pairs of chunks apart.
// Copies write chunks of a line side by side, and 8 of them fill the banks in any of these orders.
#pragma once

#include <cstdint>

#include "backend/cuda/device_api.hpp"

namespace clip::cuda {

inline constexpr int kTileBytes = 64;  ///< of k, a row of the result
inline constexpr int kChunkBytes = 16; ///< what cp.async moves
inline constexpr int kTileSteps = 2;   ///< matrix instructions along k

template <typename T, int Extent, bool KContiguous>
struct OperandTile {
    using Element = T;
    static constexpr bool kContiguous = KContiguous;
    static constexpr int kExtent = Extent;
    static constexpr int kDepth = kTileBytes / static_cast<int>(sizeof(T)); ///< elements of k
    static constexpr int kPerChunk = kChunkBytes / static_cast<int>(sizeof(T));
    static constexpr int kLines = KContiguous ? Extent : kDepth;
    static constexpr int kChunks = KContiguous ? kDepth / kPerChunk : Extent / kPerChunk;
    static constexpr int kBytes = Extent * kTileBytes;
    static_assert(Extent % 32 == 0);

    /// Elements from the tile's beginning to a chunk.
    CLIP_DEVICE static int offset(int line, int chunk) {
        if constexpr (KContiguous)
            return (line * kChunks + (chunk ^ (line / 2 % 4))) * kPerChunk;
        else if constexpr (sizeof(T) == 2)
            return (line * kChunks + (chunk ^ (line % 8))) * kPerChunk;
        else
            return (line * kChunks + (chunk ^ (line % 4 * 2))) * kPerChunk;
    }

    /// Element (k, at) of a float32 tile whose lines are k's.
    CLIP_DEVICE static std::uint32_t element(Shared<T> tile, int k, int at) {
        const float value = tile[offset(k, at / kPerChunk) + at % kPerChunk];
        return bits_of(value);
    }
};

/// The A fragment of rows m to m + 15 of the tile (m a multiple of 16) for its step along k.
template <typename Tile>
CLIP_DEVICE void load_a(std::uint32_t (&r)[4], Shared<typename Tile::Element> tile, int m,
                        int step) {
    if constexpr (Tile::kContiguous) {
        load_matrix_x4(r, tile + Tile::offset(m + lane() % 16, step * 2 + lane() / 16));
    } else if constexpr (sizeof(typename Tile::Element) == 2) {
        const int k = step * 16 + lane() % 8 + lane() / 16 * 8;
        load_matrix_x4_transposed(r, tile + Tile::offset(k, m / 8 + lane() / 8 % 2));
    } else {
        for (int i = 0; i < 4; ++i)
            r[i] =
                Tile::element(tile, step * 8 + lane() % 4 + i / 2 * 4, m + lane() / 4 + i % 2 * 8);
    }
}

/// The B fragments of columns n to n + 7 (r[0], r[1]) and n + 8 to n + 15 (r[2], r[3]).
template <typename Tile>
CLIP_DEVICE void load_b(std::uint32_t (&r)[4], Shared<typename Tile::Element> tile, int n,
                        int step) {
    if constexpr (Tile::kContiguous) {
        load_matrix_x4(
            r, tile + Tile::offset(n + lane() % 8 + lane() / 16 * 8, step * 2 + lane() / 8 % 2));
    } else if constexpr (sizeof(typename Tile::Element) == 2) {
        const int k = step * 16 + lane() % 16;
        load_matrix_x4_transposed(r, tile + Tile::offset(k, n / 8 + lane() / 16));
    } else {
        for (int i = 0; i < 4; ++i)
            r[i] =
                Tile::element(tile, step * 8 + lane() % 4 + i % 2 * 4, n + lane() / 4 + i / 2 * 8);
    }
}

} // namespace clip::cuda

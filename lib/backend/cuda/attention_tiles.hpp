// SPDX-License-Identifier: MIT
// How attention's kernels move rows of heads between global and shared memory.
#pragma once

#include <cstdint>
#include <type_traits>

#include "backend/cuda/device_api.hpp"

namespace clip::cuda {

constexpr int kAttentionThreads = 128; ///< of a block; each warp has 16 rows of a tile or more
constexpr float kLog2E = 1.4426950408889634F;
constexpr float kMinusInfinity = -__builtin_huge_valf();

/// One head of the rows of a sequence, as it lies in global memory.
template <typename T>
struct HeadRows {
    Global<const T> at; ///< column 0 of the head in row 0
    std::int64_t stride = 0;
    int width = 0;        ///< K
    bool aligned = false; ///< rows begin at multiples of 16 bytes, and K is one of 8
};

/// Rows [first, first + Rows) of a head into a tile of `Width` columns, rows `Stride` apart; what
/// lies beyond `rows` or K becomes 0. By all threads of the block; asynchronous where it can be
/// (commit, wait), and to be used after a barrier in any case.
template <int Rows, int Width, int Stride, typename To, typename From>
CLIP_DEVICE void load_tile(Shared<To> tile, const HeadRows<From>& from, int first, int rows) {
    constexpr int kChunk = 16 / sizeof(To); // elements that are written at once
    constexpr int kChunks = Width / kChunk; // a row
    constexpr int kRowsAtOnce = kAttentionThreads / kChunks;
    static_assert(kAttentionThreads % kChunks == 0 && Rows % kRowsAtOnce == 0);
    const int row0 = thread_x() / kChunks, column = thread_x() % kChunks * kChunk;
    const Shared<To> to = tile + (row0 * Stride + column);
    const Global<const From> at = from.at + ((first + row0) * from.stride + column);
    if constexpr (std::is_same_v<To, From>) {
        if (from.aligned) {
            const int inside = column < from.width ? rows - first - row0 : 0;
            CLIP_UNROLL
            for (int row = 0; row < Rows; row += kRowsAtOnce)
                // The address must be one even where nothing is read from it.
                copy_async(to + row * Stride, row < inside ? at + row * from.stride : from.at,
                           row < inside ? 16 : 0);
            return;
        }
    }
    for (int row = 0; row < Rows; row += kRowsAtOnce) {
        const bool inside = first + row0 + row < rows && column < from.width;
        const Global<const From> source = at + row * from.stride;
        Vec<To, kChunk> chunk;
        if (from.aligned && inside) { // then of another type
            CLIP_UNROLL
            for (int part = 0; part < kChunk; part += 4) {
                const Vec<From, 4> four = load<4>(source + part);
                CLIP_UNROLL
                for (int e = 0; e < 4; ++e)
                    chunk.at[part + e] = from_float<To>(to_float(four.at[e]));
            }
        } else {
            CLIP_UNROLL
            for (int e = 0; e < kChunk; ++e) {
                float x = 0;
                if (inside && column + e < from.width)
                    x = to_float(source[e]);
                chunk.at[e] = from_float<To>(x);
            }
        }
        store(to + row * Stride, chunk);
    }
}

/// An output of any of the types that layers hand on: the one that is not null.
struct LayerOutput {
    Global<float> f32;
    Global<Half> f16;
    Global<BFloat16> bf16;

    CLIP_DEVICE void put(std::int64_t i, float x) const {
        if (!(f32 == nullptr))
            f32[i] = x;
        else if (!(f16 == nullptr))
            f16[i] = from_float<Half>(x);
        else
            bf16[i] = from_float<BFloat16>(x);
    }
    /// Null where the output is of another type.
    template <typename T>
    CLIP_DEVICE Global<T> as() const {
        if constexpr (std::is_same_v<T, float>)
            return f32;
        else if constexpr (std::is_same_v<T, Half>)
            return f16;
        else
            return bf16;
    }
};

} // namespace clip::cuda

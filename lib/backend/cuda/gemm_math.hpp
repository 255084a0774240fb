// SPDX-License-Identifier: MIT
// How a warp multiplies a tile: in 16 bits, in TF32, or in float32 by three TF32 products.
//
// Every element of the result is one chain over k in the order of k, in pieces that depend on the
// kind of product alone. No tile shape changes it, so that the shape can be chosen by the number of
// rows, and a row has the same bits in every batch.
//
// float32 from TF32 (Ootomo & Yokota 2022, "Recovering single precision accuracy from Tensor
// Cores", section 4): a = big + small, each of 11 significant bits, and
//     a b = small_a big_b + big_a small_b + big_a big_b
// but for small_a small_b, which is at most 2^-22 of it. Tensor cores add up with truncation, so
// only 8 of k are left to them; what comes out is added to a float32 sum by an ordinary rounded
// addition. Infinities and NaN do not survive being split (inf - inf, and inf times a small part of
// 0), which costs too much to look for in each factor: gemm_core.hpp looks at the sums, and
// multiplies blocks that have such once more, with care.
#pragma once

#include <cstdint>

#include "backend/cuda/device_api.hpp"
#include "backend/cuda/gemm_tile.hpp"

namespace clip::cuda {

/// Half or BFloat16 factors, float32 sums.
template <typename T>
struct Math16 {
    using Element = T;
    static constexpr bool kSplit = false;
    CLIP_DEVICE static void prepare(std::uint32_t&) {}
    CLIP_DEVICE static void multiply(float (&d)[4], const std::uint32_t (&a)[4],
                                     const std::uint32_t (&b)[2]) {
        mma_m16n8k16<T>(d, a, b);
    }
};

/// float32 factors rounded to 11 significant bits.
struct MathTf32 {
    using Element = float;
    static constexpr bool kSplit = false;
    CLIP_DEVICE static void prepare(std::uint32_t& bits) { bits = round_to_tf32(float_of(bits)); }
    CLIP_DEVICE static void multiply(float (&d)[4], const std::uint32_t (&a)[4],
                                     const std::uint32_t (&b)[2]) {
        mma_m16n8k8_tf32(d, a, b);
    }
};

/// float32
struct MathTf32x3 {
    using Element = float;
    static constexpr bool kSplit = true, kCareful = false;
};

/// The same, to the bit, where factors are finite. Others take part in big_a big_b only, so that
/// what comes of them is what comes of them in float32.
struct MathTf32x3Careful : MathTf32x3 {
    static constexpr bool kCareful = true;
};

/// The sums of a warp: `Rows` by `Columns` fragments of 16 x 8.
template <int Rows, int Columns>
using Accumulators = float[Rows][Columns][4];

/// Adds the product of rows m.. of `a` and columns n.. of `b`, all of the tiles' k.
template <typename Math, typename ATile, typename BTile, int Rows, int Columns>
CLIP_DEVICE void multiply_tile(Accumulators<Rows, Columns>& sums, Shared<typename Math::Element> a,
                               Shared<typename Math::Element> b, int m,
                               int n) requires(!Math::kSplit) {
    std::uint32_t fa[kTileSteps][Rows][4], fb[kTileSteps][Columns][2];
    const auto take = [&](int step) {
#pragma unroll
        for (int i = 0; i < Rows; ++i) {
            load_a<ATile>(fa[step][i], a, m + i * 16, step);
#pragma unroll
            for (int r = 0; r < 4; ++r)
                Math::prepare(fa[step][i][r]);
        }
#pragma unroll
        for (int j = 0; j < Columns; j += 2) {
            std::uint32_t pair[4];
            load_b<BTile>(pair, b, n + j * 8, step);
#pragma unroll
            for (int r = 0; r < 4; ++r) {
                Math::prepare(pair[r]);
                fb[step][j + r / 2][r % 2] = pair[r];
            }
        }
    };
    take(0);
#pragma unroll
    for (int step = 0; step < kTileSteps; ++step) {
        if (step + 1 < kTileSteps)
            take(step + 1); // comes while this step is multiplied
#pragma unroll
        for (int i = 0; i < Rows; ++i)
#pragma unroll
            for (int j = 0; j < Columns; ++j)
                Math::multiply(sums[i][j], fa[step][i], fb[step][j]);
    }
}

/// value = big + small; `finite` is big, or 0 where big is not finite. `big` is rounded to the
/// nearest, so that `small` has 12 bits at most, of which the tensor core reads 11. Three
/// instructions without care, when a NaN may be lost in `big`, but not in `small`.
template <bool Careful>
CLIP_DEVICE void split_tf32(std::uint32_t value, std::uint32_t& big, std::uint32_t& finite,
                            std::uint32_t& small) {
    constexpr std::uint32_t kExponent = 0x7f800000U, kQuiet = 0x00400000U;
    big = (value + 0x1000U) & 0xffffe000U;
    finite = big;
    small = bits_of(float_of(value) - float_of(big));
    if constexpr (Careful) {
        if ((value & 0x7fffffffU) > kExponent)
            big = value | kQuiet; // NaN
        if ((big & kExponent) == kExponent)
            finite = small = 0;
    }
}

template <typename Math, typename ATile, typename BTile, int Rows, int Columns>
CLIP_DEVICE void multiply_tile(Accumulators<Rows, Columns>& sums, Shared<float> a, Shared<float> b,
                               int m, int n) requires(Math::kSplit) {
#pragma unroll 1
    for (int step = 0; step < kTileSteps; ++step) {
        std::uint32_t big_b[Columns][2], finite_b[Columns][2], small_b[Columns][2];
#pragma unroll
        for (int j = 0; j < Columns; j += 2) {
            std::uint32_t pair[4];
            load_b<BTile>(pair, b, n + j * 8, step);
#pragma unroll
            for (int r = 0; r < 4; ++r)
                split_tf32<Math::kCareful>(pair[r], big_b[j + r / 2][r % 2],
                                           finite_b[j + r / 2][r % 2], small_b[j + r / 2][r % 2]);
        }
#pragma unroll
        for (int i = 0; i < Rows; ++i) {
            std::uint32_t whole[4], big_a[4], finite_a[4], small_a[4];
            load_a<ATile>(whole, a, m + i * 16, step);
#pragma unroll
            for (int r = 0; r < 4; ++r)
                split_tf32<Math::kCareful>(whole[r], big_a[r], finite_a[r], small_a[r]);
            float piece[Columns][4] = {};
#pragma unroll
            for (int j = 0; j < Columns; ++j)
                mma_m16n8k8_tf32(piece[j], small_a, finite_b[j]);
#pragma unroll
            for (int j = 0; j < Columns; ++j)
                mma_m16n8k8_tf32(piece[j], finite_a, small_b[j]);
#pragma unroll
            for (int j = 0; j < Columns; ++j)
                mma_m16n8k8_tf32(piece[j], big_a, big_b[j]);
#pragma unroll
            for (int j = 0; j < Columns; ++j)
#pragma unroll
                for (int r = 0; r < 4; ++r)
                    sums[i][j][r] += piece[j][r];
        }
    }
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// The matrix products of attention, for kernels that hold 16 rows of a product a warp: what a warp
// reads of an operand at once, and how it multiplies. Everything is in units of 16 x 16, whatever
// instructions that takes, so that a kernel is written once for all types.
//
// Fragments (PTX ISA 8.5, 9.7.14): a lane's `group` is lane / 4, its `place` lane % 4. Of a sum
// (16, 8) it holds rows group and group + 8 (elements 0, 1 and 2, 3), columns 2 place and
// 2 place + 1. Two such sums side by side are an operand (16, 16) of the next product as they lie
// there, which is why weights need not go through shared memory.
#pragma once

#include <cstdint>

#include "backend/cuda/device_api.hpp"
#include "backend/cuda/split_tf32.hpp"

namespace clip::cuda {

/// Operands of 16 bits: a product of tensor cores, added up there in float32.
template <typename T>
struct HalfProducts {
    using Element = T;
    /// Elements between the rows of a tile in shared memory beyond its width: rows then begin 16
    /// bytes apart modulo 128, and ldmatrix meets no bank twice.
    static constexpr int kPadding = 8;

    struct A { // (16, 16), rows of sums by what is summed over
        std::uint32_t at[4];
    };
    struct B { // (16 columns of sums, 16 summed over): two of the instruction's
        std::uint32_t at[2][2];
    };

    /// `tile` is element (0, 0) of the operand in rows `stride` apart.
    static CLIP_DEVICE void load_a(A& a, Shared<T> tile, int stride) {
        load_matrix_x4(a.at, tile + (lane() % 16 * stride + lane() / 16 * 8));
    }
    /// Rows of the tile are columns of the sum.
    static CLIP_DEVICE void load_b(B& b, Shared<T> tile, int stride) {
        std::uint32_t r[4];
        load_matrix_x4(r, tile + ((lane() / 16 * 8 + lane() % 8) * stride + lane() / 8 % 2 * 8));
        put(b, r);
    }
    /// Rows of the tile are what is summed over.
    static CLIP_DEVICE void load_b_transposed(B& b, Shared<T> tile, int stride) {
        std::uint32_t r[4];
        load_matrix_x4_transposed(r, tile + (lane() % 16 * stride + lane() / 16 * 8));
        put(b, r);
    }
    /// Sums (16, 8) of columns 0 to 7 and 8 to 15 as an operand, rounded.
    static CLIP_DEVICE void from_sums(A& a, const float (&low)[4], const float (&high)[4]) {
        a.at[0] = pack<T>(low[0], low[1]);
        a.at[1] = pack<T>(low[2], low[3]);
        a.at[2] = pack<T>(high[0], high[1]);
        a.at[3] = pack<T>(high[2], high[3]);
    }
    /// Adds a b to the sums of columns 0 to 7 and 8 to 15.
    static CLIP_DEVICE void multiply(float (&low)[4], float (&high)[4], const A& a, const B& b) {
        mma_m16n8k16<T>(low, a.at, b.at[0]);
        mma_m16n8k16<T>(high, a.at, b.at[1]);
    }

  private:
    static CLIP_DEVICE void put(B& b, const std::uint32_t (&r)[4]) {
        b.at[0][0] = r[0];
        b.at[0][1] = r[1];
        b.at[1][0] = r[2];
        b.at[1][1] = r[3];
    }
};

/// Operands of float32: three products of TF32 parts each (split_tf32.hpp). Only 16 products are
/// added up by tensor cores, the small ones first; the rest is added with rounding. An infinite
/// factor gives NaN.
struct FloatProducts {
    using Element = float;
    static constexpr int kPadding = 4;

    struct A {
        SplitFragment<4> at[2]; // [eight of what is summed over]
    };
    struct B {
        SplitFragment<2> at[2][2]; // [eight columns][eight of what is summed over]
    };

    static CLIP_DEVICE void load_a(A& a, Shared<float> tile, int stride) {
        CLIP_UNROLL
        for (int half = 0; half < 2; ++half) {
            std::uint32_t r[4];
            load_matrix_x4(r, tile + (lane() % 16 * stride + lane() / 16 * 4 + half * 8));
            a.at[half] = split_fragment(r);
        }
    }
    static CLIP_DEVICE void load_b(B& b, Shared<float> tile, int stride) {
        CLIP_UNROLL
        for (int column = 0; column < 2; ++column) {
            std::uint32_t r[4];
            load_matrix_x4(r, tile + ((column * 8 + lane() % 8) * stride + lane() / 8 * 4));
            b.at[column][0] = split_fragment<2>({r[0], r[1]});
            b.at[column][1] = split_fragment<2>({r[2], r[3]});
        }
    }
    /// What is summed over comes in the order in which from_sums() has it.
    static CLIP_DEVICE void load_b_transposed(B& b, Shared<float> tile, int stride) {
        const int group = lane() / 4, place = lane() % 4;
        CLIP_UNROLL
        for (int column = 0; column < 2; ++column)
            CLIP_UNROLL
        for (int half = 0; half < 2; ++half) {
            const Shared<float> at = tile + ((half * 8 + 2 * place) * stride + column * 8 + group);
            const float even = at[0], odd = at[stride];
            b.at[column][half] = split_fragment<2>({bits_of(even), bits_of(odd)});
        }
    }
    /// The instruction wants columns place and place + 4 where a sum has 2 place and 2 place + 1:
    /// these change places, which a sum over them does not mind.
    static CLIP_DEVICE void from_sums(A& a, const float (&low)[4], const float (&high)[4]) {
        a.at[0] =
            split_fragment<4>({bits_of(low[0]), bits_of(low[2]), bits_of(low[1]), bits_of(low[3])});
        a.at[1] = split_fragment<4>(
            {bits_of(high[0]), bits_of(high[2]), bits_of(high[1]), bits_of(high[3])});
    }
    static CLIP_DEVICE void multiply(float (&low)[4], float (&high)[4], const A& a, const B& b) {
        multiply_half(low, a, b.at[0]);
        multiply_half(high, a, b.at[1]);
    }

  private:
    static CLIP_DEVICE void multiply_half(float (&sum)[4], const A& a,
                                          const SplitFragment<2> (&b)[2]) {
        float part[4] = {0, 0, 0, 0};
        CLIP_UNROLL
        for (int i = 0; i < 2; ++i) {
            mma_m16n8k8_tf32(part, a.at[i].low, b[i].high);
            mma_m16n8k8_tf32(part, a.at[i].high, b[i].low);
        }
        CLIP_UNROLL
        for (int i = 0; i < 2; ++i)
            mma_m16n8k8_tf32(part, a.at[i].high, b[i].high);
        CLIP_UNROLL
        for (int i = 0; i < 4; ++i)
            sum[i] += part[i];
    }
};

template <typename T>
struct ProductsOf {
    using type = HalfProducts<T>;
};
template <>
struct ProductsOf<float> {
    using type = FloatProducts;
};
/// The products of operands of type T.
template <typename T>
using Products = typename ProductsOf<T>::type;

} // namespace clip::cuda

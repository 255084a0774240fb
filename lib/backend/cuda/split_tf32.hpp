// SPDX-License-Identifier: MIT
// Products of float32 by TF32 tensor cores that are as exact as float32's.
//
// TF32 has 11 bits of significand where float32 has 24. Each operand is the sum of two TF32 numbers
// and a rest below 2^-22 of it; of the four products the smallest is left out, too.
//
// Source: Ootomo and Yokota 2022 (arXiv:2203.03341), who also show that what tensor cores add up is
// cut off, not rounded: chains are to be short, and added to a sum in float32.
#pragma once

#include <cstdint>

#include "backend/cuda/device_api.hpp"

namespace clip::cuda {

/// The registers of a fragment in two parts. An infinity makes `low` NaN.
template <int N>
struct SplitFragment {
    std::uint32_t high[N], low[N];
};

template <int N>
CLIP_DEVICE SplitFragment<N> split_fragment(const std::uint32_t (&raw)[N]) {
    // What rounding leaves in the bits that TF32 does not have is not said anywhere.
    constexpr std::uint32_t kKept = 0xffffe000U;
    SplitFragment<N> split;
    CLIP_UNROLL
    for (int i = 0; i < N; ++i) {
        const float value = float_of(raw[i]);
        split.high[i] = round_to_tf32(value) & kKept;
        split.low[i] = round_to_tf32(value - float_of(split.high[i]));
    }
    return split;
}

/// d (16, 8) += a (16, 8) b (8, 8), the small products first.
CLIP_DEVICE void mma_split_tf32(float (&d)[4], const SplitFragment<4>& a,
                                const SplitFragment<2>& b) {
    mma_m16n8k8_tf32(d, a.low, b.high);
    mma_m16n8k8_tf32(d, a.high, b.low);
    mma_m16n8k8_tf32(d, a.high, b.high);
}

} // namespace clip::cuda

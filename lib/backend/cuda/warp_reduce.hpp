// SPDX-License-Identifier: MIT
// Sums and maxima over the lanes of a warp and over the warps of a block, in a fixed order: the
// same operands give the same bits, in every lane.
#pragma once

#include "backend/cuda/device_api.hpp"

namespace clip::cuda {

/// Over all 32 lanes; each of them gets the result. A butterfly: both sides of an exchange add the
/// same two numbers, so that all lanes hold the same bits after each of its five steps.
CLIP_DEVICE float warp_sum(float value) {
    for (int mask = kWarpSize / 2; mask > 0; mask /= 2)
        value += shuffle_xor(value, mask);
    return value;
}

/// Likewise. Lanes that hold NaN are passed over where another holds a number.
CLIP_DEVICE float warp_max(float value) {
    for (int mask = kWarpSize / 2; mask > 0; mask /= 2)
        value = max(value, shuffle_xor(value, mask));
    return value;
}

/// Over a block of kWarps warps; all of its threads call it and get the result. `scratch` has
/// kWarps floats, which may be used again after a block_barrier().
template <int kWarps>
CLIP_DEVICE float block_sum(float value, Shared<float> scratch) {
    const float own = warp_sum(value);
    if (lane() == 0)
        scratch[warp()] = own;
    block_barrier();
    float sum = scratch[0];
    for (int w = 1; w < kWarps; ++w)
        sum += scratch[w];
    return sum;
}

template <int kWarps>
CLIP_DEVICE float block_max(float value, Shared<float> scratch) {
    const float own = warp_max(value);
    if (lane() == 0)
        scratch[warp()] = own;
    block_barrier();
    float largest = scratch[0];
    for (int w = 1; w < kWarps; ++w) {
        const float other = scratch[w];
        largest = max(largest, other);
    }
    return largest;
}

/// The same in float64, which no shuffle moves: `scratch` has one element a thread. The sum is in
/// thread 0 only.
template <int kThreads>
CLIP_DEVICE double block_sum_f64(double value, Shared<double> scratch) {
    scratch[thread_x()] = value;
    block_barrier();
    for (int half = kThreads / 2; half > 0; half /= 2) {
        if (thread_x() < half) {
            const double other = scratch[thread_x() + half];
            value += other;
            scratch[thread_x()] = value;
        }
        block_barrier();
    }
    return value;
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// The softmax of attention's tiles while keys are still to come.
//
// Source: Milakov & Gimelshein 2018 (arXiv:1805.02867) alg. 3.
#pragma once

#include "backend/cuda/attention_tiles.hpp"
#include "backend/cuda/device_api.hpp"

namespace clip::cuda {

/// What a warp knows of its 16 * C::kTiles queries after some of the keys: sums of fragments, of
/// heads up to C::kWidth wide, C::kKeys keys at a time.
template <typename C>
struct SoftmaxState {
    float largest[C::kTiles][2]; ///< score of rows group and group + 8 so far
    float sum[C::kTiles][2];     ///< of the weights of this lane's columns
    float y[C::kTiles][C::kWidth / 8][4];

    CLIP_DEVICE void clear() {
        CLIP_UNROLL
        for (int t = 0; t < C::kTiles; ++t) {
            CLIP_UNROLL
            for (int r = 0; r < 2; ++r) {
                largest[t][r] = kMinusInfinity;
                sum[t][r] = 0;
            }
            CLIP_UNROLL
            for (int n = 0; n < C::kWidth / 8; ++n)
                CLIP_UNROLL
            for (int e = 0; e < 4; ++e)
                y[t][n][e] = 0;
        }
    }

    /// Scores become weights: 2^(scale (score - largest)). Everything so far fades to the new
    /// largest score.
    CLIP_DEVICE void weigh(float (&scores)[C::kTiles][C::kKeys / 8][4], float scale_log2) {
        CLIP_UNROLL
        for (int t = 0; t < C::kTiles; ++t)
            CLIP_UNROLL
        for (int r = 0; r < 2; ++r) {
            float next = largest[t][r];
            CLIP_UNROLL
            for (int n = 0; n < C::kKeys / 8; ++n)
                next = max_number(next, max_number(scores[t][n][2 * r], scores[t][n][2 * r + 1]));
            next = max_number(next, shuffle_xor(next, 1));
            next = max_number(next, shuffle_xor(next, 2));
            // Where there is no key yet: any finite number, so that weights are 0 and not NaN.
            const float base = next == kMinusInfinity ? 0.0F : next;
            const float fade = exp2_fast((largest[t][r] - base) * scale_log2);
            const float shift = -base * scale_log2;
            largest[t][r] = next;
            float part = 0;
            CLIP_UNROLL
            for (int n = 0; n < C::kKeys / 8; ++n)
                CLIP_UNROLL
            for (int e = 2 * r; e < 2 * r + 2; ++e) {
                scores[t][n][e] = exp2_fast(fma(scores[t][n][e], scale_log2, shift));
                part += scores[t][n][e];
            }
            sum[t][r] = fma(sum[t][r], fade, part);
            CLIP_UNROLL
            for (int n = 0; n < C::kWidth / 8; ++n)
                CLIP_UNROLL
            for (int e = 2 * r; e < 2 * r + 2; ++e)
                y[t][n][e] *= fade;
        }
    }

    /// The lanes of a row put their sums together, and y becomes the mean that it is.
    CLIP_DEVICE void finish() {
        CLIP_UNROLL
        for (int t = 0; t < C::kTiles; ++t)
            CLIP_UNROLL
        for (int r = 0; r < 2; ++r) {
            sum[t][r] += shuffle_xor(sum[t][r], 1);
            sum[t][r] += shuffle_xor(sum[t][r], 2);
            const float factor = 1.0F / sum[t][r];
            CLIP_UNROLL
            for (int n = 0; n < C::kWidth / 8; ++n)
                CLIP_UNROLL
            for (int e = 2 * r; e < 2 * r + 2; ++e)
                y[t][n][e] *= factor;
        }
    }
};

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// Gradients of attention for heads that are wider than the tiles: slow, and for any width.
#pragma once

#include <cstdint>

#include "backend/cuda/attention_plan.hpp"
#include "backend/cuda/attention_tiles.hpp"
#include "backend/cuda/device_api.hpp"

namespace clip::cuda {

/// One side of attention's gradients: the rows that get a gradient (queries or keys), and the rows
/// of the other side that it is a sum over. T is the type of all that is read and written.
template <typename T>
struct BackwardSides {
    Global<const T> first, second; ///< of the rows: q and grad_y, or k and v
    std::int64_t first_stride, second_stride;
    Global<const T> other_first, other_second; ///< k and v, or q and grad_y
    std::int64_t other_first_stride, other_second_stride;
    Global<T> grad_first, grad_second; ///< grad_q and nothing, or grad_k and grad_v
    std::int64_t grad_stride;
    Global<const float> log_sum_exp, delta; ///< (Rq, H)
    int heads, width;
    bool causal;
    bool aligned;      ///< all that is read, as HeadRows says
    bool grad_aligned; ///< pairs of elements of the gradients begin at multiples of their size
    float scale;
};

constexpr int kBackwardColumns = 256; ///< of a gradient that a warp makes at once

/// One warp a (row, head, piece of 256 columns of its gradients): goes through the rows of the
/// other side one by one, and makes each weight anew for every piece.
///
/// Grid: x ceil(count * heads / 4) blocks of 4 warps, y pieces. No shared memory. Any alignment.
/// Sums in float32 in the order of the other side's rows.
template <typename T, bool ByKeys>
static CLIP_KERNEL(kAttentionThreads,
                   4) void attention_backward_row_kernel(BackwardSides<T> p,
                                                         Global<const AttentionRow> rows,
                                                         std::int64_t count) {
    constexpr int kEach = kBackwardColumns / kWarpSize;
    const std::int64_t at = std::int64_t{block_x()} * (kAttentionThreads / kWarpSize) + warp();
    if (at >= count * p.heads)
        return;
    const AttentionRow row = rows[at / p.heads];
    const auto head = static_cast<int>(at % p.heads);
    const std::int64_t column = std::int64_t{head} * p.width;
    const int piece = block_y() * kBackwardColumns;
    const Global<const T> first = p.first + (row.row * p.first_stride + column);
    const Global<const T> second = p.second + (row.row * p.second_stride + column);
    float grad_first[kEach], grad_second[kEach];
    CLIP_UNROLL
    for (int i = 0; i < kEach; ++i)
        grad_first[i] = grad_second[i] = 0;
    for (std::int64_t j = 0; j < row.others; ++j) {
        const std::int64_t other = row.other_row + j;
        const Global<const T> other_first = p.other_first + (other * p.other_first_stride + column);
        const Global<const T> other_second =
            p.other_second + (other * p.other_second_stride + column);
        float score = 0, by_weight = 0;
        for (int c = lane(); c < p.width; c += kWarpSize) {
            const T a = first[c], b = other_first[c], d = second[c], e = other_second[c];
            score = fma(to_float(a), to_float(b), score);
            by_weight = fma(to_float(d), to_float(e), by_weight);
        }
        CLIP_UNROLL
        for (int mask = 1; mask < kWarpSize; mask *= 2) {
            score += shuffle_xor(score, mask);
            by_weight += shuffle_xor(by_weight, mask);
        }
        const std::int64_t query = (ByKeys ? other : row.row) * p.heads + head;
        const float log_sum_exp = p.log_sum_exp[query], delta = p.delta[query];
        const float weight = exp2_fast(fma(score, p.scale, -log_sum_exp) * kLog2E);
        const float by_score = weight * (by_weight - delta);
        CLIP_UNROLL
        for (int i = 0; i < kEach; ++i) {
            const int c = piece + i * kWarpSize + lane();
            if (c < p.width) {
                const T a = other_first[c];
                grad_first[i] = fma(by_score, to_float(a), grad_first[i]);
                if constexpr (ByKeys) {
                    const T b = other_second[c];
                    grad_second[i] = fma(weight, to_float(b), grad_second[i]);
                }
            }
        }
    }
    CLIP_UNROLL
    for (int i = 0; i < kEach; ++i) {
        const int c = piece + i * kWarpSize + lane();
        if (c < p.width) {
            const std::int64_t to = row.row * p.grad_stride + column + c;
            p.grad_first[to] = from_float<T>(grad_first[i] * p.scale);
            if constexpr (ByKeys)
                p.grad_second[to] = from_float<T>(grad_second[i]);
        }
    }
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// Attention of single queries, a warp each: what the last block of a tower computes for the tokens
// that are pooled, and what heads wider than the tiles' are left to. Nothing is shared between
// warps, so that sequences and heads fill the device however few queries there are.
#pragma once

#include <cstdint>

#include "backend/cuda/attention_plan.hpp"
#include "backend/cuda/attention_tiles.hpp"
#include "backend/cuda/device_api.hpp"

namespace clip::cuda {

template <typename T>
struct AttentionRowsParameters {
    Global<const AttentionRow> rows; ///< (count)
    Global<const T> q, k, v;
    std::int64_t q_stride, kv_stride;
    std::int64_t count;
    int heads, width;
    bool aligned;   ///< rows of q, k and v as HeadRows says
    bool y_aligned; ///< likewise y, where it is of type T
    float scale, scale_log2;
    LayerOutput y;             ///< (Rq, H*K)
    Global<float> log_sum_exp; ///< (Rq, H) or null
};

constexpr int kRowLanes = 8; ///< lanes that share a key; four keys a step of the warp

/// A lane's part of a row.
template <typename T, int Each>
struct RowPart {
    static constexpr int kChunk = 16 / sizeof(T);
    Vec<T, kChunk> chunks[Each / kChunk];

    CLIP_DEVICE float at(int i) const { return to_float(chunks[i / kChunk].at[i % kChunk]); }

    /// Elements [column, column + Each) of the row; those from `width` on are 0.
    CLIP_DEVICE void read(Global<const T> row, int column, int width, bool aligned) {
        CLIP_UNROLL
        for (int c = 0; c < Each / kChunk; ++c) {
            const int first = column + c * kChunk;
            if (aligned && first < width) {
                chunks[c] = load<kChunk>(row + first);
                continue;
            }
            CLIP_UNROLL
            for (int e = 0; e < kChunk; ++e) {
                float x = 0;
                if (first + e < width)
                    x = to_float(row[first + e]);
                chunks[c].at[e] = from_float<T>(x);
            }
        }
    }
    CLIP_DEVICE void clear() {
        CLIP_UNROLL
        for (int c = 0; c < Each / kChunk; ++c)
            CLIP_UNROLL
        for (int e = 0; e < kChunk; ++e)
            chunks[c].at[e] = from_float<T>(0.0F);
    }
};

/// One warp a (row, head): 8 lanes share a key, `Each` elements of it in each, so that the warp
/// reads four keys at once; each of the four groups has a softmax of its own over every fourth key,
/// and they are put together at the end.
///
/// Grid: x ceil(count * heads / 4) blocks of 4 warps; y pieces of 8 * Each columns of the output,
/// more than one only with Each = 32, where scores are then made anew by each. No shared memory.
/// Any alignment. Float32 throughout, in an order that depends on the number of keys only.
template <typename T, int Each>
static CLIP_KERNEL(kAttentionThreads, 2) void attention_row_kernel(AttentionRowsParameters<T> p) {
    constexpr int kColumns = kRowLanes * Each;
    constexpr int kSteps = Each * sizeof(T) <= 32 ? 4 : Each * sizeof(T) <= 64 ? 2 : 1;
    const std::int64_t at = std::int64_t{block_x()} * (kAttentionThreads / kWarpSize) + warp();
    if (at >= p.count * p.heads)
        return;
    const AttentionRow row = p.rows[at / p.heads];
    const auto head = static_cast<int>(at % p.heads);
    const int group = lane() / kRowLanes, column = lane() % kRowLanes * Each;
    const int piece = block_y() * kColumns;
    const std::int64_t head_column = std::int64_t{head} * p.width;
    const Global<const T> q_row = p.q + (row.row * p.q_stride + head_column);
    const Global<const T> k_rows = p.k + (row.other_row * p.kv_stride + head_column);
    const Global<const T> v_rows = p.v + (row.other_row * p.kv_stride + head_column);

    RowPart<T, Each> q;
    q.read(q_row, column, p.width, p.aligned);
    float largest = kMinusInfinity, sum = 0;
    float y[Each];
    CLIP_UNROLL
    for (int i = 0; i < Each; ++i)
        y[i] = 0;

    for (std::int64_t first = 0; first < row.others; first += 4 * kSteps) {
        RowPart<T, Each> k[kSteps], v[kSteps];
        CLIP_UNROLL
        for (int step = 0; step < kSteps; ++step) {
            const std::int64_t key = first + step * 4 + group;
            if (key < row.others) {
                k[step].read(k_rows + key * p.kv_stride, column, p.width, p.aligned);
                v[step].read(v_rows + key * p.kv_stride, piece + column, p.width, p.aligned);
            } else { // its score becomes -infinity
                k[step].clear();
                v[step].clear();
            }
        }
        float scores[kSteps];
        CLIP_UNROLL
        for (int step = 0; step < kSteps; ++step) {
            scores[step] = 0;
            CLIP_UNROLL
            for (int i = 0; i < Each; ++i)
                scores[step] = fma(q.at(i), k[step].at(i), scores[step]);
            if constexpr (Each == 32) { // wider than all lanes together
                const std::int64_t key = first + step * 4 + group;
                for (int c = kColumns + column; c < p.width; c += kColumns)
                    for (int i = c; key < row.others && i < min(c + Each, p.width); ++i) {
                        const float a = to_float(q_row[i]);
                        const float b = to_float(k_rows[key * p.kv_stride + i]);
                        scores[step] = fma(a, b, scores[step]);
                    }
            }
            CLIP_UNROLL
            for (int mask = 1; mask < kRowLanes; mask *= 2)
                scores[step] += shuffle_xor(scores[step], mask);
            if (first + step * 4 + group >= row.others)
                scores[step] = kMinusInfinity;
        }
        float next = largest;
        CLIP_UNROLL
        for (int step = 0; step < kSteps; ++step)
            next = max_number(next, scores[step]);
        // Where there was no key yet: any finite number, so that weights are 0 and not NaN.
        const float base = next == kMinusInfinity ? 0.0F : next;
        const float fade = exp2_fast((largest - base) * p.scale_log2);
        largest = next;
        sum *= fade;
        CLIP_UNROLL
        for (int i = 0; i < Each; ++i)
            y[i] *= fade;
        CLIP_UNROLL
        for (int step = 0; step < kSteps; ++step) {
            const float weight = exp2_fast(fma(scores[step], p.scale_log2, -base * p.scale_log2));
            sum += weight;
            CLIP_UNROLL
            for (int i = 0; i < Each; ++i)
                y[i] = fma(weight, v[step].at(i), y[i]);
        }
    }

    float top = largest;
    CLIP_UNROLL
    for (int mask = kRowLanes; mask < kWarpSize; mask *= 2)
        top = max_number(top, shuffle_xor(top, mask));
    const float base = top == kMinusInfinity ? 0.0F : top;
    const float fade = exp2_fast((largest - base) * p.scale_log2);
    sum *= fade;
    CLIP_UNROLL
    for (int mask = kRowLanes; mask < kWarpSize; mask *= 2)
        sum += shuffle_xor(sum, mask);
    const float factor = 1.0F / sum;
    CLIP_UNROLL
    for (int i = 0; i < Each; ++i) {
        y[i] *= fade;
        CLIP_UNROLL
        for (int mask = kRowLanes; mask < kWarpSize; mask *= 2)
            y[i] += shuffle_xor(y[i], mask);
        y[i] *= factor;
    }
    const std::int64_t place = row.row * p.heads + head;
    if (lane() == 0 && piece == 0 && !(p.log_sum_exp == nullptr))
        p.log_sum_exp[place] = fma(top, p.scale, log(sum));
    if (group != 0)
        return;
    const Global<T> same = p.y.template as<T>();
    constexpr int kChunk = RowPart<T, Each>::kChunk;
    if (!(same == nullptr) && p.y_aligned) {
        CLIP_UNROLL
        for (int c = 0; c < Each / kChunk; ++c) {
            Vec<T, kChunk> chunk;
            CLIP_UNROLL
            for (int e = 0; e < kChunk; ++e)
                chunk.at[e] = from_float<T>(y[c * kChunk + e]);
            if (piece + column + c * kChunk < p.width)
                store(same + (place * p.width + piece + column + c * kChunk), chunk);
        }
        return;
    }
    CLIP_UNROLL
    for (int i = 0; i < Each; ++i)
        if (piece + column + i < p.width)
            p.y.put(place * p.width + piece + column + i, y[i]);
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// Scaled dot-product attention with the tiles of the GEMM. Included after pack_kernels.hpp.
//
// Scores are made transposed, (keys, queries): queries then lie in lanes, so that the softmax has
// no sums across a register, and the scores are already packed as the second product wants them.
// Queries come in blocks of a panel; keys and values are packed once a sequence and head.
#pragma once

#include "backend/cpu/kernel_table.hpp"

namespace clip::cpu {
namespace {

std::int64_t round_up(std::int64_t x, std::int64_t unit) {
    return (x + unit - 1) / unit * unit;
}

std::int64_t packed_keys_size(std::int64_t keys, int width) {
    return round_up(keys, kMaxRows) * width + kLanes;
}
std::int64_t packed_values_size(std::int64_t keys, int width) {
    return keys * round_up(width, kPanel);
}
/// The queries (width, panel), the scores (keys, panel), one tile of results.
std::int64_t attention_scratch(std::int64_t keys, int width) {
    return (width + keys + kMaxRows) * kPanel;
}

void pack_keys(float* to, const float* k, std::int64_t stride, std::int64_t keys, int width) {
    for (std::int64_t first = 0; first < keys; first += kMaxRows) {
        const int rows = keys - first < kMaxRows ? static_cast<int>(keys - first) : kMaxRows;
        const float* pointers[kMaxRows];
        for (int r = 0; r < rows; ++r)
            pointers[r] = k + (first + r) * stride;
        pack_rows(to + first * width, kMaxRows, pointers, rows, width);
    }
}

void pack_values(float* to, const float* v, std::int64_t stride, std::int64_t keys, int width) {
    for (int first = 0; first < width; first += kPanel)
        for (std::int64_t key = 0; key < keys; ++key, to += kPanel)
            for (int c = 0; c < kPanel; c += kLanes) {
                const int left = width - first - c;
                const float* from = v + key * stride + first + c;
                vec_store(to + c, left >= kLanes ? vec_load(from)
                                  : left > 0     ? vec_load_first(from, left)
                                                 : vec_set(0.0f));
            }
}

/// Turns raw scores (keys, panel) into e^(scaled - max), lane by lane; `visible` is how many keys
/// each lane sees.
void exponentiate(float* scores, std::int64_t keys, Vec scale, bool causal, Vec visible, Vec& most,
                  Vec& sum) {
    most = vec_set(-kInfinity);
    for (std::int64_t key = 0; key < keys; ++key) {
        Vec s = vec_mul(vec_load(scores + key * kPanel), scale);
        if (causal)
            s = vec_less(vec_set(static_cast<float>(key)), visible, s, vec_set(-kInfinity));
        vec_store(scores + key * kPanel, s);
        most = vec_max(s, most);
    }
    sum = vec_set(0.0f);
    for (std::int64_t key = 0; key < keys; ++key) {
        const Vec e = vec_exp(vec_sub(vec_load(scores + key * kPanel), most));
        vec_store(scores + key * kPanel, e);
        sum = vec_add(sum, e);
    }
}

void attention(const AttentionTask& task) {
    float* queries = task.scratch;
    float* scores = queries + static_cast<std::int64_t>(task.width) * kPanel;
    float* result = scores + task.keys * kPanel;
    const std::int64_t last_visible = task.first_visible + task.queries - 1;
    const std::int64_t keys = task.causal && last_visible < task.keys ? last_visible : task.keys;

    const float* rows[kPanel];
    for (int r = 0; r < kPanel; ++r)
        rows[r] = task.q + (r < task.queries ? r : task.queries - 1) * task.q_stride;
    pack_panel(queries, Storage::f32, rows, nullptr, task.width);

    TileArgs product;
    product.depth = task.width;
    product.a_step = kMaxRows;
    product.b = queries;
    product.c_step = kPanel;
    for (std::int64_t key = 0; key < keys; key += kMaxRows) {
        product.a = task.packed_k + key * task.width;
        product.c = scores + key * kPanel;
        tile(keys - key < kMaxRows ? static_cast<int>(keys - key) : kMaxRows, Storage::f32,
             product);
    }

    float most[kPanel], sum[kPanel], visible[kPanel];
    for (int lane = 0; lane < kPanel; ++lane)
        visible[lane] = static_cast<float>(task.first_visible + lane);
    for (int v = 0; v < task.queries; v += kLanes) {
        Vec lane_most, lane_sum;
        exponentiate(scores + v, keys, vec_set(task.scale), task.causal, vec_load(visible + v),
                     lane_most, lane_sum);
        vec_store(most + v, lane_most);
        vec_store(sum + v, lane_sum);
    }

    product.depth = keys;
    product.a_step = kPanel;
    product.c = result;
    for (int column = 0; column < task.width; column += kPanel) {
        product.b = task.packed_v + task.keys * column;
        const int columns = task.width - column < kPanel ? task.width - column : kPanel;
        for (int first = 0; first < task.queries; first += kMaxRows) {
            const int left = task.queries - first;
            const int count = left < kMaxRows ? left : kMaxRows;
            product.a = scores + first;
            tile(count, Storage::f32, product);
            for (int r = 0; r < count; ++r) {
                const Vec inverse = vec_set(1.0f / sum[first + r]);
                float* y = task.y + (first + r) * task.y_stride + column;
                for (int c = 0; c < columns; c += kLanes) {
                    const Vec x = vec_mul(vec_load(result + r * kPanel + c), inverse);
                    vec_store_first(y + c, x, columns - c < kLanes ? columns - c : kLanes);
                }
            }
        }
    }
    if (task.log_sum_exp != nullptr)
        for (int r = 0; r < task.queries; ++r)
            task.log_sum_exp[r * task.lse_stride] =
                static_cast<float>(most[r] + __builtin_log(static_cast<double>(sum[r])));
}

} // namespace
} // namespace clip::cpu

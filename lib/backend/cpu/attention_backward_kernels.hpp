// SPDX-License-Identifier: MIT
// The backward pass of attention with the tiles of the GEMM. Included after attention_kernels.hpp.
//
// Keys come in blocks, all queries against one block: weights and their gradients are then
// (queries, block), of which the columns are what grad_k and grad_v want as they lie. Only grad_q
// needs a block transposed, and is added up over the blocks.
#pragma once

#include "backend/cpu/kernel_table.hpp"

namespace clip::cpu {
namespace {

constexpr int kKeyBlock = 32; // on every instruction set: grad_q is added up block by block
static_assert(kKeyBlock % kPanel == 0);

/// Where the parts of the scratch begin, in floats.
struct AttentionBackwardPlan {
    AttentionBackwardPlan(std::int64_t queries, std::int64_t keys, int width)
        : columns(round_up(width, kPanel)), rows(round_up(queries, kMaxRows)) {
        std::int64_t at = 0;
        const auto take = [&](std::int64_t count) {
            const std::int64_t begin = at;
            at += round_up(count, kLanes);
            return begin;
        };
        packed_q = take(packed_keys_size(queries, width));
        packed_grad = take(packed_keys_size(queries, width));
        values_q = take(packed_values_size(queries, width));
        values_grad = take(packed_values_size(queries, width));
        values_k = take(packed_values_size(keys, width));
        panel_k = take(std::int64_t{width} * kKeyBlock);
        panel_v = take(std::int64_t{width} * kKeyBlock);
        weights = take(rows * kKeyBlock);
        grads = take(rows * kKeyBlock);
        along = take(queries);
        grad_q = take(rows * columns);
        transposed = take(kKeyBlock * kMaxRows + kLanes);
        result = take(kMaxRows * kPanel);
        size = at;
    }
    std::int64_t columns, rows; ///< padded
    std::int64_t packed_q, packed_grad, values_q, values_grad, values_k, panel_k, panel_v;
    std::int64_t weights, grads, along, grad_q, transposed, result, size;
};

std::int64_t attention_backward_scratch(std::int64_t queries, std::int64_t keys, int width) {
    return AttentionBackwardPlan(queries, keys, width).size;
}

/// grad_y . y of one row, in double.
float dot_row(const float* a, const float* b, int width) {
    Vec sum = vec_set(0.0f);
    for (int i = 0; i < width; i += kLanes) {
        const int lanes = width - i < kLanes ? width - i : kLanes;
        sum = vec_fma(load_lanes(a + i, lanes), load_lanes(b + i, lanes), sum);
    }
    return static_cast<float>(sum_lanes(sum));
}

/// Raw scores become weights, and grad_y . v becomes the gradient of the raw score; `visible` keys
/// of the block count, the others get 0.
void weigh_row(float* scores, float* grads, float scale, float log_sum_exp, float along,
               std::int64_t visible) {
    float places[kLanes];
    for (int lane = 0; lane < kLanes; ++lane)
        places[lane] = static_cast<float>(lane);
    const Vec zero = vec_set(0.0f), by = vec_set(scale);
    for (int v = 0; v < kKeyBlock; v += kLanes) {
        Vec weight = zero, grad = zero;
        if (visible > v) {
            const Vec shifted = vec_sub(vec_mul(vec_load(scores + v), by), vec_set(log_sum_exp));
            weight = vec_exp(shifted);
            grad = vec_mul(vec_mul(weight, vec_sub(vec_load(grads + v), vec_set(along))), by);
            if (visible < v + kLanes) {
                const Vec end = vec_set(static_cast<float>(visible - v));
                weight = vec_less(vec_load(places), end, weight, zero);
                grad = vec_less(vec_load(places), end, grad, zero);
            }
        }
        vec_store(scores + v, weight);
        vec_store(grads + v, grad);
    }
}

/// Asks for part `index` of `parts` of what a task will read and write.
void fetch_part(const AttentionBackwardTask& task, std::int64_t index, std::int64_t parts) {
    constexpr int kLine = 16; // floats
    const auto rows = [&](const float* p, std::int64_t stride, std::int64_t count) {
        for (std::int64_t r = count * index / parts; r < count * (index + 1) / parts; ++r)
            for (int c = 0; c < task.width; c += kLine)
                prefetch_far(p + r * stride + c);
    };
    rows(task.q, task.q_stride, task.queries);
    rows(task.y, task.y_stride, task.queries);
    rows(task.grad_y, task.y_stride, task.queries);
    rows(task.grad_q, task.grad_q_stride, task.queries);
    rows(task.k, task.kv_stride, task.keys);
    rows(task.v, task.kv_stride, task.keys);
    rows(task.grad_k, task.grad_kv_stride, task.keys);
    rows(task.grad_v, task.grad_kv_stride, task.keys);
}

/// to (keys of the block, width) = a^T b: a (depth, kKeyBlock), b packed as values.
void write_key_gradient(float* to, std::int64_t stride, int keys, const float* a, const float* b,
                        std::int64_t b_rows, std::int64_t depth, int width, float* result) {
    TileArgs product;
    product.depth = depth;
    product.a_step = kKeyBlock;
    product.c = result;
    product.c_step = kPanel;
    for (int column = 0; column < width; column += kPanel) {
        product.b = b + b_rows * column;
        const int columns = width - column < kPanel ? width - column : kPanel;
        for (int first = 0; first < keys; first += kMaxRows) {
            const int count = keys - first < kMaxRows ? keys - first : kMaxRows;
            product.a = a + first;
            tile(count, Storage::f32, product);
            for (int r = 0; r < count; ++r)
                for (int c = 0; c < columns; c += kLanes)
                    vec_store_first(to + (first + r) * stride + column + c,
                                    vec_load(result + r * kPanel + c),
                                    columns - c < kLanes ? columns - c : kLanes);
        }
    }
}

void attention_backward(const AttentionBackwardTask& task) {
    const AttentionBackwardPlan plan(task.queries, task.keys, task.width);
    float* const base = task.scratch;
    float* const weights = base + plan.weights;
    float* const grads = base + plan.grads;
    float* const along = base + plan.along;
    float* const grad_q = base + plan.grad_q;
    float* const result = base + plan.result;
    float* const transposed = base + plan.transposed;
    pack_keys(base + plan.packed_q, task.q, task.q_stride, task.queries, task.width);
    pack_keys(base + plan.packed_grad, task.grad_y, task.y_stride, task.queries, task.width);
    pack_values(base + plan.values_q, task.q, task.q_stride, task.queries, task.width);
    pack_values(base + plan.values_grad, task.grad_y, task.y_stride, task.queries, task.width);
    pack_values(base + plan.values_k, task.k, task.kv_stride, task.keys, task.width);
    for (std::int64_t j = 0; j < task.queries; ++j)
        along[j] = dot_row(task.grad_y + j * task.y_stride, task.y + j * task.y_stride, task.width);
    for (std::int64_t i = 0; i < plan.rows * plan.columns; ++i)
        grad_q[i] = 0.0f;

    const std::int64_t parts = round_up(task.keys, kKeyBlock) / kKeyBlock * (plan.rows / kMaxRows);
    for (std::int64_t key = 0; key < task.keys; key += kKeyBlock) {
        const std::int64_t left_keys = task.keys - key;
        const int count = left_keys < kKeyBlock ? static_cast<int>(left_keys) : kKeyBlock;
        const std::int64_t panel = std::int64_t{task.width} * kPanel;
        for (int p = 0; p * kPanel < count; ++p) {
            const float* rows[kPanel];
            const auto row = [&](int r) { // lanes past the last key repeat it
                const int lane = p * kPanel + r;
                return (key + (lane < count ? lane : count - 1)) * task.kv_stride;
            };
            for (int r = 0; r < kPanel; ++r)
                rows[r] = task.k + row(r);
            pack_panel(base + plan.panel_k + p * panel, Storage::f32, rows, nullptr, task.width);
            for (int r = 0; r < kPanel; ++r)
                rows[r] = task.v + row(r);
            pack_panel(base + plan.panel_v + p * panel, Storage::f32, rows, nullptr, task.width);
        }
        // Queries before `from` see none of these keys.
        const std::int64_t unseen = task.causal ? key - (task.keys - task.queries) : 0;
        const std::int64_t from = unseen > 0 ? unseen / kMaxRows * kMaxRows : 0;

        TileArgs product;
        product.depth = task.width;
        product.a_step = kMaxRows;
        product.c_step = kKeyBlock;
        for (std::int64_t j = from; j < task.queries; j += kMaxRows) {
            const std::int64_t left = task.queries - j;
            const int tile_rows = left < kMaxRows ? static_cast<int>(left) : kMaxRows;
            if (task.next != nullptr)
                fetch_part(*task.next, (key / kKeyBlock * plan.rows + j) / kMaxRows, parts);
            for (int p = 0; p * kPanel < count; ++p) {
                product.a = base + plan.packed_q + j * task.width;
                product.b = base + plan.panel_k + p * panel;
                product.c = weights + j * kKeyBlock + p * kPanel;
                tile(tile_rows, Storage::f32, product);
                product.a = base + plan.packed_grad + j * task.width;
                product.b = base + plan.panel_v + p * panel;
                product.c = grads + j * kKeyBlock + p * kPanel;
                tile(tile_rows, Storage::f32, product);
            }
            for (std::int64_t r = j; r < j + tile_rows; ++r) {
                const std::int64_t seen = task.causal ? r - unseen + 1 : count;
                weigh_row(weights + r * kKeyBlock, grads + r * kKeyBlock, task.scale,
                          task.log_sum_exp[r * task.lse_stride], along[r],
                          seen < count ? seen : count);
            }
        }
        const std::int64_t depth = task.queries - from;
        write_key_gradient(task.grad_v + key * task.grad_kv_stride, task.grad_kv_stride, count,
                           weights + from * kKeyBlock, base + plan.values_grad + from * kPanel,
                           task.queries, depth, task.width, result);
        write_key_gradient(task.grad_k + key * task.grad_kv_stride, task.grad_kv_stride, count,
                           grads + from * kKeyBlock, base + plan.values_q + from * kPanel,
                           task.queries, depth, task.width, result);
        product.depth = count;
        product.c = result;
        product.c_step = kPanel;
        for (std::int64_t j = from; j < task.queries; j += kMaxRows) {
            const std::int64_t left = task.queries - j;
            const int tile_rows = left < kMaxRows ? static_cast<int>(left) : kMaxRows;
            const float* pointers[kMaxRows];
            for (int r = 0; r < tile_rows; ++r)
                pointers[r] = grads + (j + r) * kKeyBlock;
            pack_rows(transposed, kMaxRows, pointers, tile_rows, count);
            product.a = transposed;
            for (int column = 0; column < task.width; column += kPanel) {
                product.b = base + plan.values_k + task.keys * column + key * kPanel;
                tile(tile_rows, Storage::f32, product);
                for (int r = 0; r < tile_rows; ++r)
                    for (int c = 0; c < kPanel; c += kLanes) {
                        float* to = grad_q + (j + r) * plan.columns + column + c;
                        vec_store(to, vec_add(vec_load(to), vec_load(result + r * kPanel + c)));
                    }
            }
        }
    }
    for (std::int64_t j = 0; j < task.queries; ++j)
        for (int c = 0; c < task.width; c += kLanes)
            vec_store_first(task.grad_q + j * task.grad_q_stride + c,
                            vec_load(grad_q + j * plan.columns + c),
                            task.width - c < kLanes ? task.width - c : kLanes);
}

} // namespace
} // namespace clip::cpu

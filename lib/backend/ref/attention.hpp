// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/ref/softmax.hpp"

namespace clip::ref {

/// What is common to all sequences and heads of one attention call.
template <typename T>
struct AttentionSetup {
    const T* q; ///< (Rq, H*K), rows q_stride elements apart
    const T* k; ///< (Rk, H*K), rows kv_stride apart
    const T* v; ///< (Rk, H*K), rows kv_stride apart
    std::int64_t q_stride, kv_stride;
    std::span<const std::int64_t> q_offsets; ///< N + 1
    std::span<const std::int64_t> k_offsets; ///< N + 1
    std::int64_t heads, head_width;
    T scale;
    bool causal;
    T* y;           ///< (Rq, H*K)
    T* log_sum_exp; ///< (Rq, H) or null
};

/// softmax(scale q k^T) v of sequence `sequence` and head `head`.
///
/// Numerics: the row of scores is held whole, softmax subtracts its largest; all in T. With
/// `causal`, query j sees keys 0 to j + (keys - queries).
template <typename T>
void attention_head(const AttentionSetup<T>& setup, std::int64_t sequence, std::int64_t head) {
    const auto at = static_cast<std::size_t>(sequence);
    const std::int64_t q_begin = setup.q_offsets[at];
    const std::int64_t queries = setup.q_offsets[at + 1] - q_begin;
    const std::int64_t k_begin = setup.k_offsets[at];
    const std::int64_t keys = setup.k_offsets[at + 1] - k_begin;
    const std::int64_t width = setup.head_width;
    std::vector<T> scores(static_cast<std::size_t>(keys));
    for (std::int64_t j = 0; j < queries; ++j) {
        const T* q = setup.q + (q_begin + j) * setup.q_stride + head * width;
        const std::int64_t visible = setup.causal ? j + keys - queries + 1 : keys;
        for (std::int64_t i = 0; i < visible; ++i) {
            const T* k = setup.k + (k_begin + i) * setup.kv_stride + head * width;
            T sum = 0;
            for (std::int64_t c = 0; c < width; ++c)
                sum += q[c] * k[c];
            scores[static_cast<std::size_t>(i)] = sum * setup.scale;
        }
        const T log_sum_exp = softmax_row(scores.data(), visible);
        T* y = setup.y + ((q_begin + j) * setup.heads + head) * width;
        for (std::int64_t c = 0; c < width; ++c) {
            T sum = 0;
            for (std::int64_t i = 0; i < visible; ++i)
                sum += scores[static_cast<std::size_t>(i)] *
                       setup.v[(k_begin + i) * setup.kv_stride + head * width + c];
            y[c] = sum;
        }
        if (setup.log_sum_exp != nullptr)
            setup.log_sum_exp[(q_begin + j) * setup.heads + head] = log_sum_exp;
    }
}

/// All sequences and heads, one after the other.
template <typename T>
void attention(const AttentionSetup<T>& setup) {
    const auto sequences = static_cast<std::int64_t>(setup.q_offsets.size()) - 1;
    for (std::int64_t n = 0; n < sequences; ++n)
        for (std::int64_t h = 0; h < setup.heads; ++h)
            attention_head(setup, n, h);
}

/// What is common to all sequences and heads of the backward pass of one attention call.
template <typename T>
struct AttentionBackwardSetup {
    const T *q, *k, *v; ///< as in AttentionSetup
    std::int64_t q_stride, kv_stride;
    std::span<const std::int64_t> q_offsets, k_offsets; ///< N + 1
    std::int64_t heads, head_width;
    T scale;
    bool causal;
    const T* y;           ///< (Rq, H*K)
    const T* log_sum_exp; ///< (Rq, H)
    const T* grad_y;      ///< (Rq, H*K)
    T* grad_q;            ///< (Rq, H*K), rows grad_q_stride apart
    T *grad_k, *grad_v;   ///< (Rk, H*K), rows grad_kv_stride apart
    std::int64_t grad_q_stride, grad_kv_stride;
};

/// Gradients of sequence `sequence` and head `head`: the weights p are made anew from the saved
/// log_sum_exp, then with g = p (grad_y . v - grad_y . y) scale, grad_q = g k, grad_k = g^T q and
/// grad_v = p^T grad_y. All in T, in the order of the queries and keys.
template <typename T>
void attention_backward_head(const AttentionBackwardSetup<T>& setup, std::int64_t sequence,
                             std::int64_t head) {
    const auto at = static_cast<std::size_t>(sequence);
    const std::int64_t q_begin = setup.q_offsets[at];
    const std::int64_t queries = setup.q_offsets[at + 1] - q_begin;
    const std::int64_t k_begin = setup.k_offsets[at];
    const std::int64_t keys = setup.k_offsets[at + 1] - k_begin;
    const std::int64_t width = setup.head_width;
    const auto dot = [&](const T* a, const T* b) {
        T sum = 0;
        for (std::int64_t c = 0; c < width; ++c)
            sum += a[c] * b[c];
        return sum;
    };
    for (std::int64_t i = 0; i < keys; ++i)
        for (std::int64_t c = 0; c < width; ++c) {
            const std::int64_t to = (k_begin + i) * setup.grad_kv_stride + head * width + c;
            setup.grad_k[to] = setup.grad_v[to] = T(0);
        }
    for (std::int64_t j = 0; j < queries; ++j) {
        const std::int64_t row = (q_begin + j) * setup.heads + head;
        const T* q = setup.q + (q_begin + j) * setup.q_stride + head * width;
        const T* grad_y = setup.grad_y + row * width;
        const T mean = dot(grad_y, setup.y + row * width);
        T* grad_q = setup.grad_q + (q_begin + j) * setup.grad_q_stride + head * width;
        for (std::int64_t c = 0; c < width; ++c)
            grad_q[c] = T(0);
        const std::int64_t visible = setup.causal ? j + keys - queries + 1 : keys;
        for (std::int64_t i = 0; i < visible; ++i) {
            const T* k = setup.k + (k_begin + i) * setup.kv_stride + head * width;
            const T* v = setup.v + (k_begin + i) * setup.kv_stride + head * width;
            const T weight = std::exp(dot(q, k) * setup.scale - setup.log_sum_exp[row]);
            const T g = weight * (dot(grad_y, v) - mean) * setup.scale;
            T* grad_k = setup.grad_k + (k_begin + i) * setup.grad_kv_stride + head * width;
            T* grad_v = setup.grad_v + (k_begin + i) * setup.grad_kv_stride + head * width;
            for (std::int64_t c = 0; c < width; ++c) {
                grad_q[c] += g * k[c];
                grad_k[c] += g * q[c];
                grad_v[c] += weight * grad_y[c];
            }
        }
    }
}

} // namespace clip::ref

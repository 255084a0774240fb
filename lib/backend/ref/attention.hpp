// SPDX-License-Identifier: MIT
#pragma once

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

} // namespace clip::ref

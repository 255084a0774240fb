// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Scaled dot-product attention of every sequence and head on its own.
///
/// Shapes:  q (Rq, H*K), rows q_stride elements apart; k, v (Rk, H*K), rows kv_stride apart;
///          q_offsets, k_offsets (N + 1) rows; y (Rq, H*K); log_sum_exp (Rq, H) or empty. H and K
///          at least 1. A sequence may have no queries; one with queries has keys, and with
///          `causal` at least as many as queries.
/// Maths:   y = softmax(scale q k^T) v within a sequence and head; with `causal`, query j sees keys
///          0 to j + (keys - queries). log_sum_exp is of the scaled scores, as a natural logarithm.
/// Numerics: softmax subtracts the largest score; the same bits for a sequence in any batch.
/// Aliasing: y and log_sum_exp overlap nothing, also not the gaps between rows of q, k and v.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
/// overlap,
///          stride, offsets, scale).
/// Source:  Vaswani et al. 2017 (arXiv:1706.03762) section 3.2.1 eq. 1.
void attention(Backend& backend, const AttentionArgs& args);

/// Gradients of attention. The weights are made anew from log_sum_exp, block by block: no (queries,
/// keys) matrix is kept.
///
/// Shapes:  q, k, v, offsets, heads and head width as in attention; y, grad_y (Rq, H*K);
///          log_sum_exp (Rq, H); grad_q (Rq, H*K), rows grad_q_stride elements apart; grad_k and
///          grad_v (Rk, H*K), rows grad_kv_stride apart. They may be parts of one wider buffer, as
///          q, k and v may.
/// Maths:   p = exp(scale q k^T - log_sum_exp),  g = scale p (grad_y v^T - grad_y . y),
///          grad_q = g k,  grad_k = g^T q,  grad_v = p^T grad_y.
/// Numerics: one type for q, k, v, y, grad_y and the gradients. The same bits for a sequence in any
///          batch.
/// Aliasing: gradients overlap nothing, and not one another.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
///          overlap, stride, offsets, scale).
/// Source:  Dao et al. 2022 (arXiv:2205.14135) appendix B.4.
void attention_backward(Backend& backend, const AttentionBackwardArgs& args);

} // namespace clip::ops

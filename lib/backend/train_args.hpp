// SPDX-License-Identifier: MIT
// What the ops of training are given. Conventions as in op_args.hpp, and:
//
// "added": a gradient of parameters; the op adds to what is there, so that slices of a batch add
// up. "written": a gradient of activations; what was there is lost. A gradient that is left empty
// is not computed, and what only it needs may be left empty too. `storage` is f16 or bf16 where
// products may be computed in that type, with float32 sums; backends that have only float32 ignore
// it.
#pragma once

#include <cstdint>
#include <span>

#include "backend/op_args.hpp"

namespace clip {

/// y = activation(x)
struct ActivationArgs {
    ConstView x; ///< (R, D)
    Activation activation = Activation::none;
    MutView y; ///< (R, D); may be the same memory as x
};

/// grad_x = grad_y * activation'(x)
struct ActivationBackwardArgs {
    ConstView x;      ///< (R, D) the pre-activation; for relu, y will do
    ConstView grad_y; ///< (R, D)
    Activation activation = Activation::none;
    MutView grad_x; ///< (R, D) written; may be the same memory as grad_y
};

/// Of y = x W^T + bias. Where x is the activation of something, grad_x is that something's.
struct LinearBackwardArgs {
    ConstView grad_y; ///< (R, out) of the sum, so of the pre-activation where the layer has one;
                      ///< or 16 bits
    ConstView x;      ///< (R, in) for grad_weight, or empty; or 16 bits
    ConstView weight; ///< (out, in) for grad_x, or empty
    /// What made x: x = activation(pre_activation).
    Activation activation = Activation::none;
    ConstView pre_activation; ///< (R, in), empty with Activation::none; or 16 bits
    MutView grad_x;           ///< (R, in) written, or empty: by pre_activation where there is one;
                              ///< or 16 bits
    MutView grad_weight;      ///< (out, in) added, or empty
    MutView grad_bias;        ///< (out) added, or empty
    DType storage = DType::f32;
};

/// Of layer_norm, row by row, and of what goes round it.
struct LayerNormBackwardArgs {
    ConstView x;        ///< (R, D)
    ConstView gamma;    ///< (D)
    ConstView mean;     ///< (R) as the forward saved it
    ConstView rstd;     ///< (R) likewise
    ConstView grad_y;   ///< (R, D), or 16 bits
    ConstView residual; ///< (R, D) or empty: added to grad_x; may be the same memory as it
    MutView grad_x;     ///< (R, D) written, or empty
    MutView grad_gamma; ///< (D) added, or empty
    MutView grad_beta;  ///< (D) added, or empty
};

/// Of attention; heads, offsets, scale and mask as in AttentionArgs.
struct AttentionBackwardArgs {
    const void* q = nullptr;   ///< (Rq, H*K), rows q_stride apart
    const void* k = nullptr;   ///< (Rk, H*K), rows kv_stride apart
    const void* v = nullptr;   ///< (Rk, H*K), rows kv_stride apart
    DType dtype = DType::f32;  ///< of q, k, v, y, grad_y and all gradients; or 16 bits
    std::int64_t q_stride = 0; ///< strides count elements
    std::int64_t kv_stride = 0;
    std::span<const std::int64_t> q_offsets; ///< N + 1, ascending, from 0 to Rq
    std::span<const std::int64_t> k_offsets; ///< N + 1, ascending, from 0 to Rk
    int heads = 0;
    int head_width = 0;
    float scale = 0;
    bool causal = false;
    ConstView y;            ///< (Rq, H*K) as the forward gave it
    ConstView log_sum_exp;  ///< (Rq, H) as the forward saved it
    ConstView grad_y;       ///< (Rq, H*K)
    void* grad_q = nullptr; ///< (Rq, H*K) written, rows grad_q_stride apart
    void* grad_k = nullptr; ///< (Rk, H*K) written, rows grad_kv_stride apart
    void* grad_v = nullptr; ///< (Rk, H*K) written, rows grad_kv_stride apart
    std::int64_t grad_q_stride = 0;
    std::int64_t grad_kv_stride = 0;
    DType storage = DType::f32;

    /// For backends that take float32 only.
    const float* q_f32() const { return static_cast<const float*>(q); }
    const float* k_f32() const { return static_cast<const float*>(k); }
    const float* v_f32() const { return static_cast<const float*>(v); }
    float* grad_q_f32() const { return static_cast<float*>(grad_q); }
    float* grad_k_f32() const { return static_cast<float*>(grad_k); }
    float* grad_v_f32() const { return static_cast<float*>(grad_v); }
};

/// Of patch_embedding; pictures have no gradient.
struct PatchEmbeddingBackwardArgs {
    ConstView pictures; ///< (N, 3, S, S)
    int patch = 0;
    ConstView grad_y;         ///< (N, G*G + 1, D)
    MutView grad_projection;  ///< (D, 3*P*P) added, or empty
    MutView grad_class_token; ///< (D) added, or empty
    MutView grad_positions;   ///< (G*G + 1, D) added, or empty
    DType storage = DType::f32;
};

/// Of embedding
struct EmbeddingBackwardArgs {
    std::span<const std::int32_t> ids;    ///< (R), each in [0, V)
    std::span<const std::int32_t> places; ///< (R), each in [0, T)
    ConstView grad_y;                     ///< (R, D)
    MutView grad_table;                   ///< (V, D) added, or empty
    MutView grad_positions;               ///< (T, D) added, or empty
};

/// Of gather_rows: rows that were not taken get 0.
struct GatherRowsBackwardArgs {
    ConstView grad_y;                   ///< (Q, D)
    std::span<const std::int64_t> rows; ///< (Q), each in [0, R); may name a row more than once
    MutView grad_x;                     ///< (R, D) written
};

/// Of avg_pool: what fills no window gets 0.
struct AvgPoolBackwardArgs {
    ConstView grad_y; ///< (N, height/window, width/window, C)
    int window = 2;
    MutView grad_x; ///< (N, height, width, C) written
};

/// Of mean_token
struct MeanTokenBackwardArgs {
    ConstView grad_y;       ///< (N, L + 1, D)
    MutView grad_x;         ///< (N, L, D) written, or empty
    MutView grad_positions; ///< (L + 1, D) added, or empty
};

/// Of l2_normalize
struct L2NormalizeBackwardArgs {
    ConstView y;      ///< (R, D) as the forward gave it
    ConstView norms;  ///< (R) as the forward saved it
    ConstView grad_y; ///< (R, D)
    MutView grad_x;   ///< (R, D) written; may be the same memory as grad_y
};

/// Adds numbers up over the ranks that a batch is cut over. Every rank calls it equally often with
/// equally many numbers, and gets the same bits. Called by the thread that called the op.
class SumAcross {
  public:
    virtual ~SumAcross() = default;
    virtual void sum(std::span<double> values) = 0;
};

/// Batch norm of channels-last places with the statistics of this batch, and what ResNets put after
/// it: y = activation((x - mean) * rstd * gamma + beta + residual)
struct BatchNormArgs {
    ConstView x;     ///< (R, C)
    ConstView gamma; ///< (C)
    ConstView beta;  ///< (C)
    float eps = 1e-5f;
    float momentum = 0.1f; ///< running = (1 - momentum) * running + momentum * this batch's
    Activation activation = Activation::none; ///< none or relu
    ConstView residual;                       ///< (R, C) or empty; may be the same memory as y
    MutView y;                                ///< (R, C); not x, which the backward needs
    MutView mean;                             ///< (C) saved
    MutView rstd;                             ///< (C) saved
    MutView running_mean;                     ///< (C) updated, or empty
    MutView running_variance;                 ///< (C) updated (divides by R - 1), or empty
    /// Null, or the batch is what all ranks have: mean, rstd and what runs are then of all their
    /// rows, and R - 1 counts these. Each rank has a row at least.
    SumAcross* across = nullptr;
};

/// Of batch norm without its activation: see activation_backward
struct BatchNormBackwardArgs {
    ConstView x;        ///< (R, C)
    ConstView gamma;    ///< (C)
    ConstView mean;     ///< (C) as the forward saved it
    ConstView rstd;     ///< (C) likewise
    ConstView grad_y;   ///< (R, C)
    MutView grad_x;     ///< (R, C) written, or empty; may be the same memory as grad_y
    MutView grad_gamma; ///< (C) added, or empty
    MutView grad_beta;  ///< (C) added, or empty
    /// As the forward had it. grad_gamma and grad_beta get this rank's rows only: they are added up
    /// with all other gradients. Not called where grad_x is empty.
    SumAcross* across = nullptr;
};

/// Of conv2d without its activation and residual
struct Conv2dBackwardArgs {
    ConstView grad_y; ///< (N, height', width', C_out)
    ConstView x;      ///< (N, height, width, C_in) for grad_weight, or empty
    ConstView weight; ///< (C_out, C_in, kh, kw) for grad_x, or empty
    int stride = 1;
    int padding = 0;
    MutView grad_x;      ///< (N, height, width, C_in) written, or empty
    MutView grad_weight; ///< (C_out, C_in, kh, kw) added, or empty
    MutView grad_bias;   ///< (C_out) added, or empty
    DType storage = DType::f32;
};

/// One direction of the symmetric cross-entropy of scale * rows columns^T, for the rows that a rank
/// or a slice of the batch has: row r belongs to column first + r.
struct ContrastiveRowsArgs {
    ConstView rows;    ///< (R, E)
    ConstView columns; ///< (N, E), all of the batch
    std::int64_t first = 0;
    float scale = 1;     ///< the temperature's multiplier, exp(log_scale)
    MutView log_sum_exp; ///< (R) of each row's logits
    MutView target;      ///< (R) each row's logit of its own column
};

/// Gradient of mean cross-entropy over both directions by `rows`, once log_sum_exp is known of all
/// rows here and of all columns everywhere.
struct ContrastiveRowsBackwardArgs {
    ConstView rows;    ///< (R, E)
    ConstView columns; ///< (N, E)
    std::int64_t first = 0;
    float scale = 1;
    ConstView row_log_sum_exp;    ///< (R) over columns
    ConstView column_log_sum_exp; ///< (N) over all rows of the batch
    float weight = 1;             ///< of the sum over rows and columns; 1 / (2 N) gives CLIP's loss
    MutView grad_rows;            ///< (R, E) written
};

/// The pairwise sigmoid loss of rows against all columns, with logits scale * rows columns^T +
/// bias.
struct SiglipRowsArgs {
    ConstView rows;    ///< (R, E)
    ConstView columns; ///< (N, E)
    std::int64_t first = 0;
    float scale = 1;
    float bias = 0;
    float weight = 1;  ///< of the sum over all pairs; 1 / N in SigLIP
    MutView loss;      ///< (R) of each row, times weight
    MutView grad_rows; ///< (R, E) written, or empty
    MutView grad_bias; ///< (R) each row's part of the gradient by bias, or empty
};

/// Sets of tokens: set i is ids[offsets[i]] to ids[offsets[i + 1] - 1], no token twice. A set may
/// be empty; within a set every token is as likely as another.
struct TokenSets {
    std::span<const std::int32_t> ids;
    std::span<const std::int64_t> offsets; ///< (sets + 1), ascending, from 0

    std::int64_t size() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
    std::span<const std::int32_t> operator[](std::int64_t i) const {
        const auto at = static_cast<std::size_t>(i);
        return ids.subspan(static_cast<std::size_t>(offsets[at]),
                           static_cast<std::size_t>(offsets[at + 1] - offsets[at]));
    }
};

/// Cross-entropy of the softmax of rows of logits with a set of tokens each.
struct TokenLossArgs {
    MutView logits;    ///< (R, V) becomes their gradient where there are weights, or is lost
    TokenSets targets; ///< R sets of ids in [0, V)
    std::span<const float> weights; ///< (R) of the losses in what the gradient is of, or empty
    MutView losses;                 ///< (R) of float64
};

/// What the softmax of rows of logits says of some sets of tokens.
struct TokenScoresArgs {
    MutView logits; ///< (R, V) lost
    TokenSets sets; ///< C sets of ids in [0, V)
    MutView scores; ///< (R, C)
};

/// y += x
struct AddArgs {
    ConstView x; ///< any shape
    MutView y;   ///< the same shape, added
};

/// y += amount (x - y): a running mean, say
struct BlendArgs {
    ConstView x; ///< any shape
    float amount = 0;
    MutView y; ///< the same shape, updated
};

/// y = x^T, or y += x^T
struct TransposeArgs {
    ConstView x;      ///< (R, C)
    bool add = false; ///< to what is there
    MutView y;        ///< (C, R) written or added
};

/// Dot products of rows that belong together, in float64: dots[r] = x[r] . y[r]
struct RowDotsArgs {
    ConstView x;            ///< (R, D)
    ConstView y;            ///< (R, D)
    std::span<double> dots; ///< (R)
};

/// One parameter of the model and what its optimiser keeps.
struct AdamWParameter {
    float* weight = nullptr;     ///< (count) updated
    const float* grad = nullptr; ///< (count)
    float* mean = nullptr;       ///< (count) running mean of gradients, 0 before the first step
    float* square = nullptr;     ///< (count) running mean of squared gradients, 0 before the first
    std::int64_t count = 0;
    bool decays = true; ///< false for gains, biases and the temperature
};

/// One step of Adam with decoupled weight decay.
struct AdamWArgs {
    std::span<const AdamWParameter> parameters;
    double learning_rate = 0;
    double beta1 = 0.9, beta2 = 0.999; ///< in double: float32 has too few digits of 1 - beta
    double eps = 1e-8;
    double weight_decay = 0;
    float grad_scale = 1;  ///< gradients are multiplied by it first, to clip their norm
    std::int64_t step = 1; ///< 1 for the first
};

/// The sum of the squares of all gradients, in float64: of pieces of kSumPiece elements of each
/// parameter, which are added up in their order.
struct SumOfSquaresArgs {
    std::span<const AdamWParameter> parameters; ///< only `grad` and `count` are used
};
inline constexpr std::int64_t kSumPiece = 16384;

} // namespace clip

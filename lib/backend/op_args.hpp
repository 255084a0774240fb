// SPDX-License-Identifier: MIT
// What every op is given: one struct an op, with the shape of each tensor beside it.
//
// Conventions. Tensors are dense, row-major float32 unless a comment says otherwise. R counts rows:
// tokens or items of all sequences of a batch one after the other, without padding. Pictures are
// channels-last inside the towers. Views marked "or empty" may be left default-constructed. Outputs
// marked "saved" are what a backward pass will need; inference leaves them empty.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/activation.hpp"
#include "tensor/view.hpp"

namespace clip {

/// A linear layer's weights as an implementation wants them: converted, packed, on its device.
/// Made by Backend::prepare_linear and given only to the backend that made it.
class PreparedLinear {
  public:
    PreparedLinear(std::int64_t in_features, std::int64_t out_features)
        : in_(in_features), out_(out_features) {}
    virtual ~PreparedLinear() = default;
    PreparedLinear(const PreparedLinear&) = delete;
    PreparedLinear& operator=(const PreparedLinear&) = delete;
    std::int64_t in_features() const { return in_; }
    std::int64_t out_features() const { return out_; }

  private:
    std::int64_t in_, out_;
};

/// The same for a convolution.
class PreparedConv2d {
  public:
    PreparedConv2d(Shape weight, int stride, int padding)
        : weight_(weight), stride_(stride), padding_(padding) {}
    virtual ~PreparedConv2d() = default;
    PreparedConv2d(const PreparedConv2d&) = delete;
    PreparedConv2d& operator=(const PreparedConv2d&) = delete;
    /// (C_out, C_in, kernel height, kernel width)
    const Shape& weight_shape() const { return weight_; }
    int stride() const { return stride_; }
    int padding() const { return padding_; }
    /// The extent of the result along an axis of `size` pixels; 0 where the kernel does not fit.
    std::int64_t output_extent(std::int64_t size, std::size_t kernel_axis) const {
        const std::int64_t span = size + 2 * std::int64_t{padding_} - weight_[kernel_axis];
        return span < 0 ? 0 : span / stride_ + 1;
    }

  private:
    Shape weight_;
    int stride_, padding_;
};

/// Weights are read during the call to prepare_linear only; `bias` is copied.
struct LinearWeights {
    ConstView weight; ///< (out, in) f32
    ConstView bias;   ///< (out) f32, or empty
    DType storage =
        DType::f32; ///< how packed weights are kept: f32, bf16, f16 or i8 (one scale a row)
};

/// y = activation(x W^T + bias) + residual
struct LinearArgs {
    ConstView x; ///< (R, in)
    const PreparedLinear* weights = nullptr;
    Activation activation = Activation::none;
    ConstView residual;     ///< (R, out) or empty; may be the same memory as y
    MutView y;              ///< (R, out)
    MutView pre_activation; ///< (R, out) saved, or empty
};

struct Conv2dWeights {
    ConstView weight; ///< (C_out, C_in, kh, kw) f32, batch norm's scale already folded in
    ConstView bias;   ///< (C_out) f32, batch norm's shift, or empty
    int stride = 1;
    int padding = 0;
    DType storage = DType::f32; ///< as for a linear layer
};

/// y = activation(conv(x) + bias + residual); note that the residual comes before the activation
struct Conv2dArgs {
    ConstView x; ///< (N, height, width, C_in)
    const PreparedConv2d* weights = nullptr;
    Activation activation = Activation::none; ///< none or relu
    ConstView residual;                       ///< shape of y, or empty; may be the same memory as y
    MutView y;                                ///< (N, height', width', C_out)
};

/// y = (x - mean) / sqrt(var + eps) * gamma + beta, row by row
struct LayerNormArgs {
    ConstView x;     ///< (R, D)
    ConstView gamma; ///< (D)
    ConstView beta;  ///< (D)
    float eps = 1e-5f;
    MutView y;    ///< (R, D); may be the same memory as x
    MutView mean; ///< (R) saved, or empty
    MutView rstd; ///< (R) saved, or empty
};

/// Scaled dot-product attention of every sequence and head on its own.
///
/// q, k and v may be parts of one wider buffer: each row of them is `*_stride` elements after the
/// one before. Sequence i has the query rows [q_offsets[i], q_offsets[i+1]) and the key rows
/// [k_offsets[i], k_offsets[i+1]). With `causal`, query j of a sequence sees its keys 0 to
/// j + (keys - queries): the queries are the last ones.
struct AttentionArgs {
    const float* q = nullptr; ///< (Rq, H*K), rows q_stride apart
    const float* k = nullptr; ///< (Rk, H*K), rows kv_stride apart
    const float* v = nullptr; ///< (Rk, H*K), rows kv_stride apart
    std::int64_t q_stride = 0;
    std::int64_t kv_stride = 0;
    std::span<const std::int64_t> q_offsets; ///< N + 1, ascending, from 0 to Rq
    std::span<const std::int64_t> k_offsets; ///< N + 1, ascending, from 0 to Rk
    int heads = 0;
    int head_width = 0;
    float scale = 0; ///< 1 / sqrt(K) in CLIP
    bool causal = false;
    MutView y;           ///< (Rq, H*K) dense
    MutView log_sum_exp; ///< (Rq, H) saved, or empty
};

/// Cuts pictures into patches, projects each, puts the class token before them and adds positions.
struct PatchEmbeddingArgs {
    ConstView pictures; ///< (N, 3, S, S), channels first, as preprocessing makes them
    int patch = 0;      ///< P; S = G * P
    const PreparedLinear* projection =
        nullptr;           ///< in = 3*P*P ordered (channel, row, column), out = D, no bias
    ConstView class_token; ///< (D)
    ConstView positions;   ///< (G*G + 1, D), the class token's first
    MutView y;             ///< (N, G*G + 1, D)
};

/// y[r] = table[ids[r]] + positions[places[r]]
struct EmbeddingArgs {
    std::span<const std::int32_t> ids;    ///< (R), each in [0, V)
    std::span<const std::int32_t> places; ///< (R), each in [0, T)
    ConstView table;                      ///< (V, D) of any floating type, alignment not assumed
    ConstView positions;                  ///< (T, D)
    MutView y;                            ///< (R, D)
};

/// y[i] = x[rows[i]]
struct GatherRowsArgs {
    ConstView x;                        ///< (R, D)
    std::span<const std::int64_t> rows; ///< (Q), each in [0, R)
    MutView y;                          ///< (Q, D)
};

/// Mean over non-overlapping windows; what does not fill a window is left out.
struct AvgPoolArgs {
    ConstView x; ///< (N, height, width, C)
    int window = 2;
    MutView y; ///< (N, height/window, width/window, C)
};

/// The tokens of CLIP's attention pool: y[n] = [mean over places of x[n]; x[n]] + positions
struct MeanTokenArgs {
    ConstView x;         ///< (N, L, D)
    ConstView positions; ///< (L + 1, D), the mean token's first
    MutView y;           ///< (N, L + 1, D)
};

/// y = x / max(|x|, 1e-12), row by row
struct L2NormalizeArgs {
    ConstView x;   ///< (R, D)
    MutView y;     ///< (R, D); may be the same memory as x
    MutView norms; ///< (R) saved, or empty
};

/// y = scale * a b^T
struct SimilarityArgs {
    ConstView a; ///< (N, E)
    ConstView b; ///< (C, E)
    float scale = 1;
    MutView y; ///< (N, C)
};

/// Softmax over each row
struct SoftmaxArgs {
    ConstView x; ///< (R, C)
    MutView y;   ///< (R, C); may be the same memory as x
};

/// The k largest of each row, largest first; equal values keep their order; NaN counts as smallest
struct TopKArgs {
    ConstView x;                     ///< (R, C)
    std::int64_t k = 1;              ///< at most C
    MutView values;                  ///< (R, k)
    std::span<std::int64_t> indices; ///< (R * k), row-major
};

/// Dot products in float64, each element of which has one fixed order of summation: 16 partial sums
/// of the products (which float64 holds exactly), added up in a tree. The same bits everywhere.
struct ExactDotsArgs {
    ConstView rows;           ///< (C, E) f32 or f16
    ConstView queries;        ///< (Q, E), or empty
    std::span<double> dots;   ///< (C * Q), row-major by rows
    std::span<double> norms2; ///< (C): the squared length of each row, or empty
};

/// Queries as an implementation wants them for screening; given only to backends like the one that
/// made it (any of the same kind and instruction set).
class PreparedScreen {
  public:
    PreparedScreen(std::int64_t queries, std::int64_t width) : queries_(queries), width_(width) {}
    virtual ~PreparedScreen() = default;
    PreparedScreen(const PreparedScreen&) = delete;
    PreparedScreen& operator=(const PreparedScreen&) = delete;
    std::int64_t queries() const { return queries_; }
    std::int64_t width() const { return width_; }

  private:
    std::int64_t queries_, width_;
};

/// A row and a query that may be close.
struct ScreenPair {
    std::int32_t row = 0;
    std::int32_t query = 0;
};

/// Finds every pair whose cosine, computed exactly and rounded to float32, may reach the query's
/// limit. More pairs may be reported, never fewer.
struct ScreenArgs {
    ConstView rows;                       ///< (C, E) f32 or f16, of any length but 0
    std::span<const float> inverse_norms; ///< (C): 1 / length, rounded
    const PreparedScreen* queries = nullptr;
    std::span<const float> limits;            ///< (Q); -infinity: every row
    std::vector<ScreenPair>* pairs = nullptr; ///< appended to, in an order of the backend's own
};

} // namespace clip

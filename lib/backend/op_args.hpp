// SPDX-License-Identifier: MIT
// What every op is given: one struct an op, with the shape of each tensor beside it.
//
// Conventions. Tensors are dense, row-major float32 unless a comment says otherwise; "or 16 bits":
// also f16 or bf16 where the backend takes() that type, each tensor on its own. R counts rows:
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
    ConstView x; ///< (R, in), or 16 bits
    const PreparedLinear* weights = nullptr;
    Activation activation = Activation::none;
    ConstView residual;     ///< (R, out) or empty; may be the same memory as y
    MutView y;              ///< (R, out), or 16 bits
    MutView pre_activation; ///< (R, out) saved, or empty; or 16 bits
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
    ConstView x; ///< (N, height, width, C_in), or 16 bits
    const PreparedConv2d* weights = nullptr;
    Activation activation = Activation::none; ///< none or relu
    ConstView residual; ///< shape of y, or empty; or 16 bits; may be the same memory as y
    MutView y;          ///< (N, height', width', C_out), or 16 bits
};

/// y = (x - mean) / sqrt(var + eps) * gamma + beta, row by row
struct LayerNormArgs {
    ConstView x;     ///< (R, D)
    ConstView gamma; ///< (D)
    ConstView beta;  ///< (D)
    float eps = 1e-5f;
    MutView y;    ///< (R, D), or 16 bits; may be the same memory as x
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
    const void* q = nullptr;   ///< (Rq, H*K), rows q_stride apart
    const void* k = nullptr;   ///< (Rk, H*K), rows kv_stride apart
    const void* v = nullptr;   ///< (Rk, H*K), rows kv_stride apart
    DType dtype = DType::f32;  ///< of q, k and v; or 16 bits
    std::int64_t q_stride = 0; ///< strides count elements
    std::int64_t kv_stride = 0;
    std::span<const std::int64_t> q_offsets; ///< N + 1, ascending, from 0 to Rq
    std::span<const std::int64_t> k_offsets; ///< N + 1, ascending, from 0 to Rk
    int heads = 0;
    int head_width = 0;
    float scale = 0; ///< 1 / sqrt(K) in CLIP
    bool causal = false;
    MutView y;           ///< (Rq, H*K) dense, or 16 bits
    MutView log_sum_exp; ///< (Rq, H) saved, or empty
    /// f16 or bf16: products of q, k and v in float32 may be computed in that type, too.
    DType storage = DType::f32;

    /// For backends that take float32 only.
    const float* q_f32() const { return static_cast<const float*>(q); }
    const float* k_f32() const { return static_cast<const float*>(k); }
    const float* v_f32() const { return static_cast<const float*>(v); }
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
    ConstView x;                        ///< (R, D), or 16 bits
    std::span<const std::int64_t> rows; ///< (Q), each in [0, R)
    MutView y;                          ///< (Q, D) of x's type
};

/// y[rows[i]] += x[i], in the order of i
struct ScatterAddRowsArgs {
    ConstView x;                        ///< (Q, D), or 16 bits
    std::span<const std::int64_t> rows; ///< (Q), each in [0, R); may name a row more than once
    MutView y;                          ///< (R, D) of x's type, added
};

/// A picture's colours side by side: y[n, h, w, c] = x[n, c, h, w]
struct ChannelsLastArgs {
    ConstView x; ///< (N, C, height, width)
    MutView y;   ///< (N, height, width, C), or 16 bits
};

/// The weights of a resize along one axis, as integers: output i is the sum over t < count[i] of
/// input first[i] + t times weight[i * stride + t], plus 2^21, shifted right by 22 bits and clipped
/// to a byte (data/resize_taps.hpp).
struct ResizeAxis {
    std::span<const std::int32_t> first;  ///< (S)
    std::span<const std::int32_t> count;  ///< (S), each at least 1 and at most `stride`
    std::span<const std::int32_t> weight; ///< (S, stride)
    std::int64_t stride = 0;
};

/// A decoded RGB picture. Its bytes are on the host, as all spans are: a backend brings those that
/// it needs to where it works.
struct SourcePicture {
    std::span<const std::uint8_t> pixels; ///< (height, width, 3)
    std::int64_t height = 0, width = 0;
    ResizeAxis across;   ///< inputs in [0, width)
    ResizeAxis down;     ///< inputs in [0, height); both axes have S outputs
    std::int64_t to = 0; ///< which of y's pictures it becomes
};

/// Pillow's resize of RGB pictures, each of its own size, along rows and then along columns,
/// rounded to bytes after each; of the result what the axes keep; then y = (byte / 255 - mean) /
/// std, each step rounded to float32 (data/preprocess.hpp).
struct PreprocessArgs {
    std::span<const SourcePicture> pictures;
    float mean[3] = {0, 0, 0};
    float std[3] = {1, 1, 1};
    MutView y; ///< (N, 3, S, S); what no picture becomes stays as it is
};

/// y = x in another type
struct ConvertArgs {
    ConstView x; ///< any shape; f32, f16 or bf16
    MutView y;   ///< the same shape; f32, f16 or bf16
};

/// Mean over non-overlapping windows; what does not fill a window is left out.
struct AvgPoolArgs {
    ConstView x; ///< (N, height, width, C), or 16 bits
    int window = 2;
    MutView y; ///< (N, height/window, width/window, C) of x's type
};

/// The tokens of CLIP's attention pool: y[n] = [mean over places of x[n]; x[n]] + positions
struct MeanTokenArgs {
    ConstView x;         ///< (N, L, D), or 16 bits
    ConstView positions; ///< (L + 1, D), the mean token's first
    MutView y;           ///< (N, L + 1, D), or 16 bits
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

/// top_k of the similarities of queries and rows, none of which are kept: as similarity and then
/// top_k, to the bit
struct SimilarityTopKArgs {
    ConstView queries; ///< (Q, E)
    ConstView rows;    ///< (C, E)
    float scale = 1;
    std::int64_t k = 1;              ///< at most C
    MutView values;                  ///< (Q, k)
    std::span<std::int64_t> indices; ///< (Q * k), row-major, in [0, C)
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

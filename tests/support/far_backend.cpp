// SPDX-License-Identifier: MIT
#include "support/far_backend.hpp"

#include <algorithm>
#include <deque>
#include <limits>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "tensor/tensor.hpp"

namespace clip::test {

/// One call of an op: its tensors where the reference can read them, in float32; results of 16 bits
/// go back when it ends.
class FarBackend::Call {
  public:
    explicit Call(FarBackend& far) : far_(far) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
        for (const auto& [to, from] : results_)
            convert_from_f32(to.data, to.dtype, from.f32(), static_cast<std::size_t>(to.numel()));
    }

    ConstView operator()(const ConstView& view) {
        ConstView near = located(view);
        if (near.empty() || near.dtype == DType::f32 || near.dtype == DType::u8)
            return near;
        temporary_.push_back(Tensor::to_f32(near));
        return std::as_const(temporary_.back()).view();
    }
    MutView operator()(const MutView& view) {
        const ConstView near = located(view);
        MutView out{const_cast<void*>(near.data), near.shape, near.dtype, near.device};
        if (out.empty() || out.dtype == DType::f32)
            return out;
        temporary_.emplace_back(out.shape);
        results_.emplace_back(out, temporary_.back().view());
        return temporary_.back().view();
    }
    /// A result that begins with what is there.
    MutView in_out(const MutView& view) {
        const MutView near = (*this)(view);
        if (!near.empty() && view.dtype != DType::f32)
            convert_to_f32(near.f32(), results_.back().first.data, view.dtype,
                           static_cast<std::size_t>(view.numel()));
        return near;
    }
    /// `elements` from a bare pointer on.
    template <typename T>
    T* pointer(T* far, std::int64_t elements, DType dtype = DType::f32) {
        using View = std::conditional_t<std::is_const_v<T>, ConstView, MutView>;
        const View near = (*this)(View{far, Shape{elements}, dtype, far_.device()});
        return static_cast<T*>(near.data);
    }
    /// A copy of `args` in which the views that `members` name are near.
    template <typename Args, typename... Members>
    Args near(Args args, Members... members) {
        ((args.*members = (*this)(args.*members)), ...);
        return args;
    }
    template <typename T>
    void span(std::span<T> values) {
        for (const auto& value : values)
            mix(static_cast<std::uint64_t>(value));
    }
    /// Without a conversion.
    ConstView located(ConstView view) {
        mix(reinterpret_cast<std::uintptr_t>(view.data));
        for (const std::int64_t extent : view.shape.extents())
            mix(static_cast<std::uint64_t>(extent));
        mix(static_cast<std::uint64_t>(view.dtype));
        if (view.empty() || view.device.is_cpu())
            return view;
        view.data = far_.memory_.near(view.data, view.bytes());
        view.device = {};
        return view;
    }

  private:
    void mix(std::uint64_t value) {
        far_.trace_ = (far_.trace_ ^ value) * 1099511628211U + (far_.trace_ >> 31U);
    }

    FarBackend& far_;
    std::deque<Tensor> temporary_;
    std::vector<std::pair<MutView, MutView>> results_;
};

void FarBackend::repeat(const RepeatKey& key, const std::function<void()>& body) {
    const std::uint64_t before = trace_, events = memory_.events();
    trace_ = 1;
    body();
    const std::uint64_t trace = trace_;
    trace_ = before;
    expect(memory_.events() == events, "what is repeated neither allocates nor copies");
    for (const Seen& seen : seen_)
        if (seen.key == key) {
            ++repeats;
            expect(seen.trace == trace, "what is repeated is the same");
            return;
        }
    seen_.push_back({key, trace});
}

void FarBackend::forget(const void* owner) {
    std::erase_if(seen_, [&](const Seen& seen) { return seen.key.owner == owner; });
}

std::unique_ptr<PreparedLinear> FarBackend::prepare_linear(const LinearWeights& weights) {
    Call call(*this);
    return ref_.prepare_linear(call.near(weights, &LinearWeights::weight, &LinearWeights::bias));
}

std::unique_ptr<PreparedConv2d> FarBackend::prepare_conv2d(const Conv2dWeights& weights) {
    Call call(*this);
    return ref_.prepare_conv2d(call.near(weights, &Conv2dWeights::weight, &Conv2dWeights::bias));
}

void FarBackend::update_linear(PreparedLinear& prepared, const LinearWeights& weights) {
    Call call(*this);
    ref_.update_linear(prepared, call.near(weights, &LinearWeights::weight, &LinearWeights::bias));
}

void FarBackend::update_conv2d(PreparedConv2d& prepared, const Conv2dWeights& weights) {
    Call call(*this);
    ref_.update_conv2d(prepared, call.near(weights, &Conv2dWeights::weight, &Conv2dWeights::bias));
}

std::unique_ptr<PreparedScreen> FarBackend::prepare_screen(const ConstView& queries) {
    Call call(*this);
    return ref_.prepare_screen(call(queries));
}

void FarBackend::embedding(const EmbeddingArgs& args) {
    Call call(*this);
    EmbeddingArgs near = call.near(args, &EmbeddingArgs::positions, &EmbeddingArgs::y);
    near.table = call.located(args.table); // of any type
    call.span(args.ids);
    call.span(args.places);
    ref_.embedding(near);
}

void FarBackend::convert(const ConvertArgs& args) {
    Call call(*this);
    ref_.convert(call.near(args, &ConvertArgs::x, &ConvertArgs::y));
}

void FarBackend::attention(const AttentionArgs& args) {
    Call call(*this);
    AttentionArgs near = call.near(args, &AttentionArgs::y, &AttentionArgs::log_sum_exp);
    const std::int64_t width = std::int64_t{args.heads} * args.head_width;
    const auto extent = [&](std::int64_t rows, std::int64_t stride) {
        return rows == 0 ? 0 : (rows - 1) * stride + width;
    };
    const std::int64_t keys = extent(args.k_offsets.back(), args.kv_stride);
    near.q = call.pointer(args.q, extent(args.q_offsets.back(), args.q_stride), args.dtype);
    near.k = call.pointer(args.k, keys, args.dtype);
    near.v = call.pointer(args.v, keys, args.dtype);
    near.dtype = DType::f32;
    call.span(args.q_offsets);
    call.span(args.k_offsets);
    ref_.attention(near);
}

void FarBackend::attention_backward(const AttentionBackwardArgs& args) {
    Call call(*this);
    using Args = AttentionBackwardArgs;
    Args near = call.near(args, &Args::y, &Args::log_sum_exp, &Args::grad_y);
    const std::int64_t width = std::int64_t{args.heads} * args.head_width;
    const auto extent = [&](std::int64_t rows, std::int64_t stride) {
        return rows == 0 ? 0 : (rows - 1) * stride + width;
    };
    const std::int64_t queries = args.q_offsets.back(), keys = args.k_offsets.back();
    near.q = call.pointer(args.q, extent(queries, args.q_stride), args.dtype);
    near.k = call.pointer(args.k, extent(keys, args.kv_stride), args.dtype);
    near.v = call.pointer(args.v, extent(keys, args.kv_stride), args.dtype);
    near.dtype = DType::f32;
    call.span(args.q_offsets);
    call.span(args.k_offsets);
    // Gradients may lie side by side in one buffer: each is made by itself and goes row by row.
    Tensor grad_q(Shape{queries, width}), grad_k(Shape{keys, width}), grad_v(Shape{keys, width});
    near.grad_q = grad_q.f32();
    near.grad_k = grad_k.f32();
    near.grad_v = grad_v.f32();
    near.grad_q_stride = near.grad_kv_stride = width;
    ref_.attention_backward(near);
    const auto give = [&](const Tensor& from, void* far, std::int64_t stride) {
        const std::int64_t rows = from.shape()[0];
        const MutView whole{far, Shape{extent(rows, stride)}, args.dtype, device()};
        auto* to = static_cast<std::byte*>(const_cast<void*>(call.located(whole).data));
        for (std::int64_t r = 0; r < rows; ++r)
            convert_from_f32(to + static_cast<std::size_t>(r * stride) * dtype_size(args.dtype),
                             args.dtype, from.f32() + r * width, static_cast<std::size_t>(width));
    };
    give(grad_q, args.grad_q, args.grad_q_stride);
    give(grad_k, args.grad_k, args.grad_kv_stride);
    give(grad_v, args.grad_v, args.grad_kv_stride);
}

std::vector<AdamWParameter> FarBackend::near(std::span<const AdamWParameter> parameters) {
    Call call(*this);
    std::vector<AdamWParameter> near(parameters.begin(), parameters.end());
    for (AdamWParameter& parameter : near) {
        parameter.weight = call.pointer(parameter.weight, parameter.count);
        parameter.grad = call.pointer(parameter.grad, parameter.count);
        parameter.mean = call.pointer(parameter.mean, parameter.count);
        parameter.square = call.pointer(parameter.square, parameter.count);
    }
    return near;
}

void FarBackend::adamw(const AdamWArgs& args) {
    const std::vector<AdamWParameter> parameters = near(args.parameters);
    AdamWArgs changed = args;
    changed.parameters = parameters;
    ref_.adamw(changed);
}

double FarBackend::sum_of_squares(const SumOfSquaresArgs& args) {
    const std::vector<AdamWParameter> parameters = near(args.parameters);
    if (overflows > 0) {
        --overflows;
        return std::numeric_limits<double>::infinity();
    }
    return ref_.sum_of_squares({.parameters = parameters});
}

void FarBackend::linear(const LinearArgs& args) {
    Call call(*this);
    using Args = LinearArgs;
    ref_.linear(call.near(args, &Args::x, &Args::residual, &Args::y, &Args::pre_activation));
}

void FarBackend::conv2d(const Conv2dArgs& args) {
    Call call(*this);
    ref_.conv2d(call.near(args, &Conv2dArgs::x, &Conv2dArgs::residual, &Conv2dArgs::y));
}

void FarBackend::layer_norm(const LayerNormArgs& args) {
    Call call(*this);
    using Args = LayerNormArgs;
    ref_.layer_norm(
        call.near(args, &Args::x, &Args::gamma, &Args::beta, &Args::y, &Args::mean, &Args::rstd));
}

void FarBackend::patch_embedding(const PatchEmbeddingArgs& args) {
    Call call(*this);
    using Args = PatchEmbeddingArgs;
    ref_.patch_embedding(
        call.near(args, &Args::pictures, &Args::class_token, &Args::positions, &Args::y));
}

void FarBackend::gather_rows(const GatherRowsArgs& args) {
    Call call(*this);
    call.span(args.rows);
    ref_.gather_rows(call.near(args, &GatherRowsArgs::x, &GatherRowsArgs::y));
}

void FarBackend::scatter_add_rows(const ScatterAddRowsArgs& args) {
    Call call(*this);
    call.span(args.rows);
    ScatterAddRowsArgs near = call.near(args, &ScatterAddRowsArgs::x);
    near.y = call.in_out(args.y);
    ref_.scatter_add_rows(near);
}

void FarBackend::channels_last(const ChannelsLastArgs& args) {
    Call call(*this);
    ref_.channels_last(call.near(args, &ChannelsLastArgs::x, &ChannelsLastArgs::y));
}

void FarBackend::preprocess(const PreprocessArgs& args) {
    Call call(*this);
    ++preprocesses;
    ref_.preprocess(call.near(args, &PreprocessArgs::y));
}

void FarBackend::avg_pool(const AvgPoolArgs& args) {
    Call call(*this);
    ref_.avg_pool(call.near(args, &AvgPoolArgs::x, &AvgPoolArgs::y));
}

void FarBackend::mean_token(const MeanTokenArgs& args) {
    Call call(*this);
    ref_.mean_token(
        call.near(args, &MeanTokenArgs::x, &MeanTokenArgs::positions, &MeanTokenArgs::y));
}

void FarBackend::l2_normalize(const L2NormalizeArgs& args) {
    Call call(*this);
    ref_.l2_normalize(
        call.near(args, &L2NormalizeArgs::x, &L2NormalizeArgs::y, &L2NormalizeArgs::norms));
}

void FarBackend::similarity(const SimilarityArgs& args) {
    Call call(*this);
    ref_.similarity(call.near(args, &SimilarityArgs::a, &SimilarityArgs::b, &SimilarityArgs::y));
}

void FarBackend::softmax(const SoftmaxArgs& args) {
    Call call(*this);
    ref_.softmax(call.near(args, &SoftmaxArgs::x, &SoftmaxArgs::y));
}

void FarBackend::top_k(const TopKArgs& args) {
    Call call(*this);
    ref_.top_k(call.near(args, &TopKArgs::x, &TopKArgs::values));
}

void FarBackend::similarity_top_k(const SimilarityTopKArgs& args) {
    Call call(*this);
    ref_.similarity_top_k(call.near(args, &SimilarityTopKArgs::queries, &SimilarityTopKArgs::rows,
                                    &SimilarityTopKArgs::values));
}

void FarBackend::exact_dots(const ExactDotsArgs& args) {
    Call call(*this);
    ref_.exact_dots(call.near(args, &ExactDotsArgs::rows, &ExactDotsArgs::queries));
}

void FarBackend::screen(const ScreenArgs& args) {
    Call call(*this);
    ref_.screen(call.near(args, &ScreenArgs::rows));
}

void FarBackend::activation(const ActivationArgs& args) {
    Call call(*this);
    ref_.activation(call.near(args, &ActivationArgs::x, &ActivationArgs::y));
}

void FarBackend::activation_backward(const ActivationBackwardArgs& args) {
    Call call(*this);
    ref_.activation_backward(call.near(args, &ActivationBackwardArgs::x,
                                       &ActivationBackwardArgs::grad_y,
                                       &ActivationBackwardArgs::grad_x));
}

void FarBackend::linear_backward(const LinearBackwardArgs& args) {
    Call call(*this);
    using Args = LinearBackwardArgs;
    ref_.linear_backward(call.near(args, &Args::grad_y, &Args::x, &Args::weight,
                                   &Args::pre_activation, &Args::grad_x, &Args::grad_weight,
                                   &Args::grad_bias));
}

void FarBackend::layer_norm_backward(const LayerNormBackwardArgs& args) {
    Call call(*this);
    using Args = LayerNormBackwardArgs;
    ref_.layer_norm_backward(call.near(args, &Args::x, &Args::gamma, &Args::mean, &Args::rstd,
                                       &Args::grad_y, &Args::residual, &Args::grad_x,
                                       &Args::grad_gamma, &Args::grad_beta));
}

void FarBackend::patch_embedding_backward(const PatchEmbeddingBackwardArgs& args) {
    Call call(*this);
    using Args = PatchEmbeddingBackwardArgs;
    ref_.patch_embedding_backward(call.near(args, &Args::pictures, &Args::grad_y,
                                            &Args::grad_projection, &Args::grad_class_token,
                                            &Args::grad_positions));
}

void FarBackend::embedding_backward(const EmbeddingBackwardArgs& args) {
    Call call(*this);
    call.span(args.ids);
    call.span(args.places);
    ref_.embedding_backward(call.near(args, &EmbeddingBackwardArgs::grad_y,
                                      &EmbeddingBackwardArgs::grad_table,
                                      &EmbeddingBackwardArgs::grad_positions));
}

void FarBackend::gather_rows_backward(const GatherRowsBackwardArgs& args) {
    Call call(*this);
    call.span(args.rows);
    ref_.gather_rows_backward(
        call.near(args, &GatherRowsBackwardArgs::grad_y, &GatherRowsBackwardArgs::grad_x));
}

void FarBackend::avg_pool_backward(const AvgPoolBackwardArgs& args) {
    Call call(*this);
    ref_.avg_pool_backward(
        call.near(args, &AvgPoolBackwardArgs::grad_y, &AvgPoolBackwardArgs::grad_x));
}

void FarBackend::mean_token_backward(const MeanTokenBackwardArgs& args) {
    Call call(*this);
    ref_.mean_token_backward(call.near(args, &MeanTokenBackwardArgs::grad_y,
                                       &MeanTokenBackwardArgs::grad_x,
                                       &MeanTokenBackwardArgs::grad_positions));
}

void FarBackend::l2_normalize_backward(const L2NormalizeBackwardArgs& args) {
    Call call(*this);
    using Args = L2NormalizeBackwardArgs;
    ref_.l2_normalize_backward(
        call.near(args, &Args::y, &Args::norms, &Args::grad_y, &Args::grad_x));
}

void FarBackend::batch_norm(const BatchNormArgs& args) {
    Call call(*this);
    using Args = BatchNormArgs;
    ref_.batch_norm(call.near(args, &Args::x, &Args::gamma, &Args::beta, &Args::residual, &Args::y,
                              &Args::mean, &Args::rstd, &Args::running_mean,
                              &Args::running_variance));
}

void FarBackend::batch_norm_backward(const BatchNormBackwardArgs& args) {
    Call call(*this);
    using Args = BatchNormBackwardArgs;
    ref_.batch_norm_backward(call.near(args, &Args::x, &Args::gamma, &Args::mean, &Args::rstd,
                                       &Args::grad_y, &Args::grad_x, &Args::grad_gamma,
                                       &Args::grad_beta));
}

void FarBackend::conv2d_backward(const Conv2dBackwardArgs& args) {
    Call call(*this);
    using Args = Conv2dBackwardArgs;
    ref_.conv2d_backward(call.near(args, &Args::grad_y, &Args::x, &Args::weight, &Args::grad_x,
                                   &Args::grad_weight, &Args::grad_bias));
}

void FarBackend::contrastive_rows(const ContrastiveRowsArgs& args) {
    Call call(*this);
    using Args = ContrastiveRowsArgs;
    ref_.contrastive_rows(
        call.near(args, &Args::rows, &Args::columns, &Args::log_sum_exp, &Args::target));
}

void FarBackend::contrastive_rows_backward(const ContrastiveRowsBackwardArgs& args) {
    Call call(*this);
    using Args = ContrastiveRowsBackwardArgs;
    ref_.contrastive_rows_backward(call.near(args, &Args::rows, &Args::columns,
                                             &Args::row_log_sum_exp, &Args::column_log_sum_exp,
                                             &Args::grad_rows));
}

void FarBackend::siglip_rows(const SiglipRowsArgs& args) {
    Call call(*this);
    using Args = SiglipRowsArgs;
    ref_.siglip_rows(call.near(args, &Args::rows, &Args::columns, &Args::loss, &Args::grad_rows,
                               &Args::grad_bias));
}

void FarBackend::token_loss(const TokenLossArgs& args) {
    Call call(*this);
    TokenLossArgs near = call.near(args, &TokenLossArgs::logits);
    const ConstView losses = call.located(args.losses); // float64
    near.losses = {const_cast<void*>(losses.data), losses.shape, losses.dtype, losses.device};
    call.span(args.targets.ids);
    call.span(args.targets.offsets);
    ref_.token_loss(near);
}

void FarBackend::token_scores(const TokenScoresArgs& args) {
    Call call(*this);
    call.span(args.sets.ids);
    call.span(args.sets.offsets);
    ref_.token_scores(call.near(args, &TokenScoresArgs::logits, &TokenScoresArgs::scores));
}

void FarBackend::add(const AddArgs& args) {
    Call call(*this);
    ref_.add(call.near(args, &AddArgs::x, &AddArgs::y));
}

void FarBackend::blend(const BlendArgs& args) {
    Call call(*this);
    ref_.blend(call.near(args, &BlendArgs::x, &BlendArgs::y));
}

void FarBackend::transpose(const TransposeArgs& args) {
    Call call(*this);
    ref_.transpose(call.near(args, &TransposeArgs::x, &TransposeArgs::y));
}

void FarBackend::row_dots(const RowDotsArgs& args) {
    Call call(*this);
    ref_.row_dots(call.near(args, &RowDotsArgs::x, &RowDotsArgs::y));
}

} // namespace clip::test

// SPDX-License-Identifier: MIT
// The ops of training: threads split rows, or columns where rows are summed, so that every sum is
// one chain.
#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/ref/adamw.hpp"
#include "backend/ref/attention.hpp"
#include "backend/ref/avg_pool.hpp"
#include "backend/ref/batch_norm.hpp"
#include "backend/ref/contrastive_loss.hpp"
#include "backend/ref/conv2d.hpp"
#include "backend/ref/embedding.hpp"
#include "backend/ref/gather_rows.hpp"
#include "backend/ref/l2_normalize.hpp"
#include "backend/ref/layer_norm.hpp"
#include "backend/ref/linear.hpp"
#include "backend/ref/mean_token.hpp"
#include "backend/ref/patch_embedding.hpp"
#include "backend/ref/ref_backend.hpp"
#include "backend/ref/token_loss.hpp"

namespace clip {

namespace {

constexpr std::int64_t kColumnsOfPart = 16; // one cache line
constexpr std::int64_t kElementsOfPart = 16384;

float* at(const MutView& view, std::int64_t offset) {
    return view.empty() ? nullptr : view.f32() + offset;
}

/// Mean and rstd of all ranks' rows; gives their number, and the variances. `for_each(count, body)`
/// runs a body for each channel.
template <typename ForEach>
std::int64_t statistics_across(const BatchNormArgs& args, std::vector<double>& variances,
                               const ForEach& for_each) {
    const std::int64_t rows = args.x.shape[0], channels = args.x.shape[1];
    const auto count = static_cast<std::size_t>(channels);
    std::vector<double> means(count + 1);
    for_each(channels, [&](std::int64_t c) {
        means[static_cast<std::size_t>(c)] = ref::batch_norm_sum(args.x.f32(), rows, channels, c);
    });
    means[count] = static_cast<double>(rows);
    args.across->sum(means);
    const double all_rows = means[count];
    variances.resize(count);
    for_each(channels, [&](std::int64_t c) {
        const auto i = static_cast<std::size_t>(c);
        means[i] /= all_rows;
        variances[i] = ref::batch_norm_squares(args.x.f32(), means[i], rows, channels, c);
    });
    args.across->sum(variances);
    for (std::size_t c = 0; c < count; ++c) {
        variances[c] /= all_rows;
        args.mean.f32()[c] = static_cast<float>(means[c]);
        args.rstd.f32()[c] =
            static_cast<float>(1 / std::sqrt(variances[c] + static_cast<double>(args.eps)));
    }
    return static_cast<std::int64_t>(all_rows);
}
const float* at(const ConstView& view, std::int64_t offset) {
    return view.empty() ? nullptr : view.f32() + offset;
}

std::int64_t divide_up(std::int64_t x, std::int64_t unit) {
    return (x + unit - 1) / unit;
}

} // namespace

void RefBackend::activation(const ActivationArgs& args) {
    const std::int64_t width = args.x.shape[1];
    for_each(args.x.shape[0], [&](std::int64_t r) {
        for (std::int64_t i = r * width; i < (r + 1) * width; ++i)
            args.y.f32()[i] = ref::activate(args.activation, args.x.f32()[i]);
    });
}

void RefBackend::activation_backward(const ActivationBackwardArgs& args) {
    const std::int64_t width = args.x.shape[1];
    for_each(args.x.shape[0], [&](std::int64_t r) {
        for (std::int64_t i = r * width; i < (r + 1) * width; ++i)
            args.grad_x.f32()[i] =
                args.grad_y.f32()[i] * ref::activation_slope(args.activation, args.x.f32()[i]);
    });
}

void RefBackend::linear_backward(const LinearBackwardArgs& args) {
    const std::int64_t rows = args.grad_y.shape[0];
    const std::int64_t out = args.grad_y.shape[1];
    const std::int64_t in = args.grad_x.empty() ? args.x.shape.back() : args.grad_x.shape[1];
    if (!args.grad_x.empty())
        for_each(rows, [&](std::int64_t r) {
            ref::linear_grad_x(args.grad_x.f32() + r * in, args.grad_y.f32() + r * out,
                               args.weight.f32(), args.activation, at(args.pre_activation, r * in),
                               1, in, out);
        });
    if (!args.grad_weight.empty() || !args.grad_bias.empty())
        for_each(out, [&](std::int64_t o) {
            ref::linear_grad_weight(at(args.grad_weight, 0), at(args.grad_bias, 0),
                                    args.grad_y.f32(), at(args.x, 0), rows, in, out, o);
        });
}

void RefBackend::layer_norm_backward(const LayerNormBackwardArgs& args) {
    const std::int64_t rows = args.x.shape[0];
    const std::int64_t width = args.x.shape[1];
    if (!args.grad_gamma.empty() || !args.grad_beta.empty())
        for_each(width, [&](std::int64_t i) {
            ref::layer_norm_grad_gain(at(args.grad_gamma, 0), at(args.grad_beta, 0), args.x.f32(),
                                      args.mean.f32(), args.rstd.f32(), args.grad_y.f32(), rows,
                                      width, i);
        });
    if (!args.grad_x.empty())
        for_each(rows, [&](std::int64_t r) {
            ref::layer_norm_grad_x(args.grad_x.f32() + r * width, args.x.f32() + r * width,
                                   args.gamma.f32(), args.mean.f32() + r, args.rstd.f32() + r,
                                   args.grad_y.f32() + r * width, at(args.residual, r * width), 1,
                                   width);
        });
}

void RefBackend::attention_backward(const AttentionBackwardArgs& args) {
    const ref::AttentionBackwardSetup<float> setup{
        args.q_f32(),           args.k_f32(),       args.v_f32(),       args.q_stride,
        args.kv_stride,         args.q_offsets,     args.k_offsets,     args.heads,
        args.head_width,        args.scale,         args.causal,        args.y.f32(),
        args.log_sum_exp.f32(), args.grad_y.f32(),  args.grad_q_f32(),  args.grad_k_f32(),
        args.grad_v_f32(),      args.grad_q_stride, args.grad_kv_stride};
    const auto sequences = static_cast<std::int64_t>(args.q_offsets.size()) - 1;
    for_each(sequences * setup.heads, [&](std::int64_t item) {
        ref::attention_backward_head(setup, item / setup.heads, item % setup.heads);
    });
}

void RefBackend::patch_embedding_backward(const PatchEmbeddingBackwardArgs& args) {
    const std::int64_t pictures = args.pictures.shape[0];
    const std::int64_t side = args.pictures.shape[3];
    const std::int64_t tokens = args.grad_y.shape[1];
    const std::int64_t width = args.grad_y.shape[2];
    if (!args.grad_projection.empty())
        for_each(width, [&](std::int64_t d) {
            std::vector<float> row(static_cast<std::size_t>(args.grad_projection.shape[1]));
            ref::patch_grad_projection(args.grad_projection.f32(), row.data(), args.grad_y.f32(),
                                       args.pictures.f32(), pictures, side,
                                       std::int64_t{args.patch}, width, d);
        });
    if (!args.grad_class_token.empty())
        for_each(width, [&](std::int64_t d) {
            ref::add_over_batch(args.grad_class_token.f32(), args.grad_y.f32(), pictures,
                                tokens * width, d);
        });
    if (!args.grad_positions.empty())
        for_each(tokens, [&](std::int64_t token) {
            for (std::int64_t d = 0; d < width; ++d)
                ref::add_over_batch(args.grad_positions.f32(), args.grad_y.f32(), pictures,
                                    tokens * width, token * width + d);
        });
}

void RefBackend::embedding_backward(const EmbeddingBackwardArgs& args) {
    const std::int64_t rows = args.grad_y.shape[0];
    const std::int64_t width = args.grad_y.shape[1];
    for_each(divide_up(width, kColumnsOfPart), [&](std::int64_t part) {
        const std::int64_t begin = part * kColumnsOfPart;
        const std::int64_t end = std::min(width, begin + kColumnsOfPart);
        if (!args.grad_table.empty())
            ref::scatter_add(args.grad_table.f32(), args.ids.data(), args.grad_y.f32(), rows, width,
                             begin, end);
        if (!args.grad_positions.empty())
            ref::scatter_add(args.grad_positions.f32(), args.places.data(), args.grad_y.f32(), rows,
                             width, begin, end);
    });
}

void RefBackend::gather_rows_backward(const GatherRowsBackwardArgs& args) {
    // One thread: rows may be taken twice, and this costs no more than the memory it clears.
    ref::gather_rows_backward(args.grad_x.f32(), args.grad_y.f32(), args.rows.data(),
                              args.grad_y.shape[0], args.grad_x.shape[0], args.grad_x.shape[1]);
}

void RefBackend::avg_pool_backward(const AvgPoolBackwardArgs& args) {
    const Shape& x = args.grad_x.shape;
    const Shape& y = args.grad_y.shape;
    for_each(x[0], [&](std::int64_t n) {
        ref::avg_pool_backward(args.grad_x.f32() + n * x[1] * x[2] * x[3],
                               args.grad_y.f32() + n * y[1] * y[2] * y[3], x[1], x[2], x[3],
                               std::int64_t{args.window});
    });
}

void RefBackend::mean_token_backward(const MeanTokenBackwardArgs& args) {
    const Shape& y = args.grad_y.shape;
    const std::int64_t size = y[1] * y[2];
    if (!args.grad_x.empty())
        for_each(y[0], [&](std::int64_t n) {
            ref::mean_token_grad_x(args.grad_x.f32() + n * (y[1] - 1) * y[2],
                                   args.grad_y.f32() + n * size, y[1] - 1, y[2]);
        });
    if (!args.grad_positions.empty())
        for_each(y[1], [&](std::int64_t token) {
            for (std::int64_t d = 0; d < y[2]; ++d)
                ref::add_over_batch(args.grad_positions.f32(), args.grad_y.f32(), y[0], size,
                                    token * y[2] + d);
        });
}

void RefBackend::l2_normalize_backward(const L2NormalizeBackwardArgs& args) {
    const std::int64_t width = args.y.shape[1];
    for_each(args.y.shape[0], [&](std::int64_t r) {
        ref::l2_normalize_backward(args.grad_x.f32() + r * width, args.y.f32() + r * width,
                                   args.norms.f32() + r, args.grad_y.f32() + r * width, 1, width);
    });
}

void RefBackend::batch_norm(const BatchNormArgs& args) {
    const std::int64_t rows = args.x.shape[0];
    const std::int64_t channels = args.x.shape[1];
    std::vector<double> variances;
    const auto each = [this](std::int64_t count, const auto& body) { for_each(count, body); };
    const std::int64_t all_rows =
        args.across != nullptr ? statistics_across(args, variances, each) : rows;
    for_each(channels, [&](std::int64_t c) {
        const float variance =
            args.across != nullptr
                ? static_cast<float>(variances[static_cast<std::size_t>(c)])
                : ref::batch_norm_statistics(args.mean.f32(), args.rstd.f32(), args.x.f32(),
                                             args.eps, rows, channels, c);
        const float keep = 1 - args.momentum;
        const float unbiased = variance * static_cast<float>(all_rows) /
                               static_cast<float>(std::max<std::int64_t>(1, all_rows - 1));
        if (!args.running_mean.empty())
            args.running_mean.f32()[c] =
                keep * args.running_mean.f32()[c] + args.momentum * args.mean.f32()[c];
        if (!args.running_variance.empty())
            args.running_variance.f32()[c] =
                keep * args.running_variance.f32()[c] + args.momentum * unbiased;
    });
    for_each(rows, [&](std::int64_t r) {
        ref::batch_norm_row(args.y.f32() + r * channels, args.x.f32() + r * channels,
                            args.mean.f32(), args.rstd.f32(), args.gamma.f32(), args.beta.f32(),
                            at(args.residual, r * channels), args.activation, channels);
    });
}

void RefBackend::batch_norm_backward(const BatchNormBackwardArgs& args) {
    const std::int64_t rows = args.x.shape[0];
    const std::int64_t channels = args.x.shape[1];
    std::vector<float> grad_sums(static_cast<std::size_t>(channels)), product_sums(grad_sums);
    for_each(channels, [&](std::int64_t c) {
        const auto i = static_cast<std::size_t>(c);
        ref::batch_norm_sums(grad_sums[i], product_sums[i], args.x.f32(), args.mean.f32(),
                             args.rstd.f32(), args.grad_y.f32(), rows, channels, c);
        if (!args.grad_gamma.empty())
            args.grad_gamma.f32()[c] += product_sums[i];
        if (!args.grad_beta.empty())
            args.grad_beta.f32()[c] += grad_sums[i];
    });
    if (args.grad_x.empty())
        return;
    std::int64_t all_rows = rows;
    if (args.across != nullptr) {
        std::vector<double> sums(grad_sums.begin(), grad_sums.end());
        sums.insert(sums.end(), product_sums.begin(), product_sums.end());
        sums.push_back(static_cast<double>(rows));
        args.across->sum(sums);
        for (std::size_t i = 0; i < grad_sums.size(); ++i) {
            grad_sums[i] = static_cast<float>(sums[i]);
            product_sums[i] = static_cast<float>(sums[grad_sums.size() + i]);
        }
        all_rows = static_cast<std::int64_t>(sums.back());
    }
    for_each(rows, [&](std::int64_t r) {
        ref::batch_norm_grad_row(args.grad_x.f32() + r * channels, args.x.f32() + r * channels,
                                 args.mean.f32(), args.rstd.f32(), args.gamma.f32(),
                                 args.grad_y.f32() + r * channels, grad_sums.data(),
                                 product_sums.data(), all_rows, channels);
    });
}

void RefBackend::conv2d_backward(const Conv2dBackwardArgs& args) {
    const Shape& y = args.grad_y.shape;
    const Shape& x = args.grad_x.empty() ? args.x.shape : args.grad_x.shape;
    const Shape& kernel = args.grad_x.empty() ? args.grad_weight.shape : args.weight.shape;
    ref::Conv2dSize size{};
    size.out_height = y[1], size.out_width = y[2], size.out = y[3];
    size.stride = args.stride, size.padding = args.padding;
    if (x.rank() == 4)
        size.height = x[1], size.width = x[2], size.in = x[3];
    if (kernel.rank() == 4)
        size.kernel_height = kernel[2], size.kernel_width = kernel[3];
    if (!args.grad_x.empty())
        for_each(x[0] * x[1], [&](std::int64_t item) {
            ref::conv2d_grad_line(args.grad_x.f32() + item * x[2] * x[3],
                                  args.grad_y.f32() + item / x[1] * y[1] * y[2] * y[3],
                                  args.weight.f32(), size, item % x[1]);
        });
    if (!args.grad_weight.empty() || !args.grad_bias.empty())
        for_each(y[3], [&](std::int64_t o) {
            ref::conv2d_grad_weight(at(args.grad_weight, 0), at(args.grad_bias, 0),
                                    args.grad_y.f32(), at(args.x, 0), size, y[0], o);
        });
}

void RefBackend::contrastive_rows(const ContrastiveRowsArgs& args) {
    const std::int64_t width = args.rows.shape[1];
    for_each(args.rows.shape[0], [&](std::int64_t r) {
        args.log_sum_exp.f32()[r] = ref::contrastive_row(
            args.target.f32() + r, args.rows.f32() + r * width, args.columns.f32(), args.scale,
            args.first + r, args.columns.shape[0], width);
    });
}

void RefBackend::contrastive_rows_backward(const ContrastiveRowsBackwardArgs& args) {
    const std::int64_t width = args.rows.shape[1];
    for_each(args.rows.shape[0], [&](std::int64_t r) {
        ref::contrastive_grad_row(args.grad_rows.f32() + r * width, args.rows.f32() + r * width,
                                  args.columns.f32(), args.scale, args.first + r,
                                  args.row_log_sum_exp.f32()[r], args.column_log_sum_exp.f32(),
                                  args.weight, args.columns.shape[0], width);
    });
}

void RefBackend::siglip_rows(const SiglipRowsArgs& args) {
    const std::int64_t width = args.rows.shape[1];
    for_each(args.rows.shape[0], [&](std::int64_t r) {
        args.loss.f32()[r] =
            ref::siglip_row(at(args.grad_rows, r * width), at(args.grad_bias, r),
                            args.rows.f32() + r * width, args.columns.f32(), args.scale, args.bias,
                            args.weight, args.first + r, args.columns.shape[0], width);
    });
}

void RefBackend::token_loss(const TokenLossArgs& args) {
    ref::token_loss(*this, args);
}

void RefBackend::token_scores(const TokenScoresArgs& args) {
    ref::token_scores(*this, args);
}

void RefBackend::adamw(const AdamWArgs& args) {
    struct Part {
        const AdamWParameter* parameter;
        std::int64_t first;
    };
    std::vector<Part> parts;
    for (const AdamWParameter& parameter : args.parameters)
        for (std::int64_t first = 0; first < parameter.count; first += kElementsOfPart)
            parts.push_back({&parameter, first});
    const auto factors = [&](bool decays) {
        return ref::adamw_factors<float>(args.learning_rate, args.beta1, args.beta2, args.eps,
                                         decays ? args.weight_decay : 0.0, args.grad_scale,
                                         args.step);
    };
    const ref::AdamWFactors<float> with = factors(true), without = factors(false);
    for_each(static_cast<std::int64_t>(parts.size()), [&](std::int64_t i) {
        const auto& [parameter, first] = parts[static_cast<std::size_t>(i)];
        ref::adamw(parameter->weight + first, parameter->grad + first, parameter->mean + first,
                   parameter->square + first, parameter->decays ? with : without,
                   std::min(kElementsOfPart, parameter->count - first));
    });
}

} // namespace clip

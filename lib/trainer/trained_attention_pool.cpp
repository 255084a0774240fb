// SPDX-License-Identifier: MIT
#include "trainer/trained_attention_pool.hpp"

#include <cmath>

#include "ops/add.hpp"
#include "ops/attention.hpp"
#include "ops/gather_rows.hpp"
#include "ops/mean_token.hpp"

namespace clip::trainer {

namespace {

float attention_scale(std::int64_t head_width) {
    return 1.0F / std::sqrt(static_cast<float>(head_width));
}

/// (R, C) as (N, R / N, C)
MutView by_picture(MutView rows, std::int64_t pictures) {
    rows.shape = Shape{pictures, rows.shape[0] / pictures, rows.shape[1]};
    return rows;
}

} // namespace

TrainedAttentionPool::TrainedAttentionPool(const TowerContext& context, const std::string& name,
                                           int heads)
    : context_(context), heads_(heads),
      positions_(context.parameters.weight(name + "positional_embedding")),
      grad_positions_(context.parameters.grad(name + "positional_embedding")),
      query_(context, name + "q_proj.weight", name + "q_proj.bias"),
      key_(context, name + "k_proj.weight", name + "k_proj.bias"),
      value_(context, name + "v_proj.weight", name + "v_proj.bias"),
      output_(context, name + "c_proj.weight", name + "c_proj.bias") {}

void TrainedAttentionPool::refresh() {
    for (TrainedLinear* layer : {&query_, &key_, &value_, &output_})
        layer->refresh();
}

void TrainedAttentionPool::compute(ConstView x, MutView y) {
    Arena& arena = context_.arena;
    Backend& backend = context_.backend;
    const std::int64_t pictures = x.shape[0], tokens = x.shape[1] + 1, width = x.shape[2];
    x_ = x;
    first_.clear();
    ones_.clear();
    sequences_.clear();
    for (std::int64_t i = 0; i <= pictures; ++i) {
        ones_.push_back(i);
        sequences_.push_back(i * tokens);
        if (i < pictures)
            first_.push_back(i * tokens);
    }
    tokens_ = arena.take(Shape{pictures * tokens, width});
    keys_ = arena.take(tokens_.shape);
    values_ = arena.take(tokens_.shape);
    means_ = arena.take(Shape{pictures, width});
    queries_ = arena.take(means_.shape);
    mixed_ = arena.take(means_.shape);
    log_sum_exp_ = arena.take(Shape{pictures, heads_});

    ops::mean_token(backend, {.x = x, .positions = positions_, .y = by_picture(tokens_, pictures)});
    key_.forward({.x = tokens_, .y = keys_});
    value_.forward({.x = tokens_, .y = values_});
    ops::gather_rows(backend, {.x = tokens_, .rows = first_, .y = means_});
    query_.forward({.x = means_, .y = queries_});
    ops::attention(backend, {.q = queries_.f32(),
                             .k = keys_.f32(),
                             .v = values_.f32(),
                             .q_stride = width,
                             .kv_stride = width,
                             .q_offsets = ones_,
                             .k_offsets = sequences_,
                             .heads = heads_,
                             .head_width = static_cast<int>(width / heads_),
                             .scale = attention_scale(width / heads_),
                             .y = mixed_,
                             .log_sum_exp = log_sum_exp_,
                             .storage = context_.storage});
    if (!y.empty())
        output_.forward({.x = mixed_, .y = y});
}

void TrainedAttentionPool::forward(ConstView x, MutView y, bool keep) {
    const Arena::Mark mark = context_.arena.mark();
    compute(x, y);
    if (!keep || context_.frugal)
        context_.arena.rewind(mark);
}

void TrainedAttentionPool::backward(ConstView grad_y, MutView grad_x) {
    Arena& arena = context_.arena;
    const Arena::Mark mark = arena.mark();
    if (context_.frugal)
        compute(x_, {});
    const std::int64_t pictures = x_.shape[0], width = x_.shape[2];
    const MutView grad_mixed = arena.take(mixed_.shape);
    const MutView grad_queries = arena.take(mixed_.shape);
    const MutView grad_keys = arena.take(tokens_.shape);
    const MutView grad_values = arena.take(tokens_.shape);
    const MutView grad_tokens = arena.take(tokens_.shape);
    output_.backward({.grad_y = grad_y, .x = mixed_, .grad_x = grad_mixed});
    ops::attention_backward(context_.backend, {.q = queries_.f32(),
                                               .k = keys_.f32(),
                                               .v = values_.f32(),
                                               .q_stride = width,
                                               .kv_stride = width,
                                               .q_offsets = ones_,
                                               .k_offsets = sequences_,
                                               .heads = heads_,
                                               .head_width = static_cast<int>(width / heads_),
                                               .scale = attention_scale(width / heads_),
                                               .y = mixed_,
                                               .log_sum_exp = log_sum_exp_,
                                               .grad_y = grad_mixed,
                                               .grad_q = grad_queries.f32(),
                                               .grad_k = grad_keys.f32(),
                                               .grad_v = grad_values.f32(),
                                               .grad_q_stride = width,
                                               .grad_kv_stride = width,
                                               .storage = context_.storage});
    // The tokens feed keys, values and, the mean tokens alone, queries.
    key_.backward({.grad_y = grad_keys, .x = tokens_, .grad_x = grad_tokens});
    const MutView grad_more = grad_keys; // read, so that its memory is free
    value_.backward({.grad_y = grad_values, .x = tokens_, .grad_x = grad_more});
    const MutView grad_means = grad_mixed;
    query_.backward({.grad_y = grad_queries, .x = means_, .grad_x = grad_means});
    ops::add(context_.backend, {.x = grad_more, .y = grad_tokens});
    ops::scatter_add_rows(context_.backend, {.x = grad_means, .rows = first_, .y = grad_tokens});
    ops::mean_token_backward(context_.backend, {.grad_y = by_picture(grad_tokens, pictures),
                                                .grad_x = grad_x,
                                                .grad_positions = grad_positions_});
    arena.rewind(mark);
}

} // namespace clip::trainer

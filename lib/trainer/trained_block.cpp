// SPDX-License-Identifier: MIT
#include "trainer/trained_block.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "ops/attention.hpp"
#include "ops/gather_rows.hpp"

namespace clip::trainer {

namespace {

std::int64_t width_of(const TowerContext& context, const std::string& name) {
    return context.parameters.info(name + "ln_1.weight").shape[0];
}

/// Columns from `column` on of rows.
void* columns_of(const MutView& rows, std::int64_t column) {
    return part_of(rows, column, Shape{0}).data;
}

std::vector<std::int64_t> one_each(std::size_t count) {
    std::vector<std::int64_t> offsets(count + 1);
    std::iota(offsets.begin(), offsets.end(), std::int64_t{0});
    return offsets;
}

} // namespace

TrainedBlock::TrainedBlock(const TowerContext& context, const std::string& name,
                           const BlockSettings& settings, bool pooled_rows)
    : context_(context), settings_(settings), pooled_rows_(pooled_rows),
      ln_1_(context, name + "ln_1", settings.layer_norm_eps),
      ln_2_(context, name + "ln_2", settings.layer_norm_eps),
      qkv_(context, name + "attn.in_proj_weight", name + "attn.in_proj_bias",
           pooled_rows ? width_of(context, name) : 0,
           pooled_rows ? 2 * width_of(context, name) : 0),
      query_(context, name + "attn.in_proj_weight", name + "attn.in_proj_bias", 0,
             width_of(context, name)),
      out_(context, name + "attn.out_proj.weight", name + "attn.out_proj.bias"),
      fc_(context, name + "mlp.c_fc.weight", name + "mlp.c_fc.bias"),
      proj_(context, name + "mlp.c_proj.weight", name + "mlp.c_proj.bias") {}

void TrainedBlock::refresh() {
    for (TrainedLinear* layer : {&qkv_, &query_, &out_, &fc_, &proj_})
        layer->refresh();
}

void TrainedBlock::attend(const Sequences& sequences, Saved& saved) {
    const std::int64_t width = saved.x.shape[1];
    const int head_width = static_cast<int>(width / settings_.heads);
    AttentionArgs args{.dtype = saved.qkv.dtype,
                       .k_offsets = sequences.offsets,
                       .heads = settings_.heads,
                       .head_width = head_width,
                       .scale = 1.0F / std::sqrt(static_cast<float>(head_width)),
                       .y = saved.mixed,
                       .log_sum_exp = saved.log_sum_exp,
                       .storage = context_.storage};
    if (!pooled_rows_) {
        args.q = saved.qkv.data;
        args.k = columns_of(saved.qkv, width);
        args.v = columns_of(saved.qkv, 2 * width);
        args.q_stride = args.kv_stride = 3 * width;
        args.q_offsets = sequences.offsets;
        args.causal = settings_.causal;
        ops::attention(context_.backend, args);
        return;
    }
    const std::vector<std::int64_t> queries = one_each(sequences.pooled.size());
    args.q = saved.query.data;
    args.k = saved.qkv.data;
    args.v = columns_of(saved.qkv, width);
    args.q_stride = width;
    args.kv_stride = 2 * width;
    args.q_offsets = queries;
    args.causal = false; // the last row of a causal sequence sees all of it
    ops::attention(context_.backend, args);
}

void TrainedBlock::compute(MutView y, const Sequences& sequences, Saved& saved) {
    Arena& arena = context_.arena;
    const DType between = context_.between();
    const std::int64_t rows = saved.x.shape[0], width = saved.x.shape[1];
    const std::int64_t results = pooled_rows_ ? std::ssize(sequences.pooled) : rows;
    saved.mean_1 = arena.take(Shape{rows});
    saved.rstd_1 = arena.take(Shape{rows});
    saved.normed_1 = arena.take(Shape{rows, width}, between);
    ln_1_.forward(saved.x, saved.normed_1, saved.mean_1, saved.rstd_1);
    saved.qkv = arena.take(Shape{rows, qkv_.out_features()}, between);
    qkv_.forward({.x = saved.normed_1, .y = saved.qkv});
    MutView residual = saved.x;
    if (pooled_rows_) {
        saved.normed_rows = arena.take(Shape{results, width}, between);
        ops::gather_rows(context_.backend,
                         {.x = saved.normed_1, .rows = sequences.pooled, .y = saved.normed_rows});
        saved.query = arena.take(Shape{results, width}, between);
        query_.forward({.x = saved.normed_rows, .y = saved.query});
        residual = arena.take(Shape{results, width});
        ops::gather_rows(context_.backend, {.x = saved.x, .rows = sequences.pooled, .y = residual});
    }
    saved.mixed = arena.take(Shape{results, width}, between);
    saved.log_sum_exp = arena.take(Shape{results, settings_.heads});
    attend(sequences, saved);
    saved.mid = arena.take(Shape{results, width});
    out_.forward({.x = saved.mixed, .residual = residual, .y = saved.mid});

    saved.mean_2 = arena.take(Shape{results});
    saved.rstd_2 = arena.take(Shape{results});
    saved.normed_2 = arena.take(Shape{results, width}, between);
    ln_2_.forward(saved.mid, saved.normed_2, saved.mean_2, saved.rstd_2);
    saved.pre_activation = arena.take(Shape{results, fc_.out_features()}, between);
    saved.hidden = arena.take(Shape{results, fc_.out_features()}, between);
    fc_.forward({.x = saved.normed_2,
                 .activation = settings_.activation,
                 .y = saved.hidden,
                 .pre_activation = saved.pre_activation});
    if (!y.empty())
        proj_.forward({.x = saved.hidden, .residual = saved.mid, .y = y});
}

void TrainedBlock::forward(MutView x, MutView y, const Sequences& sequences, Saved& saved,
                           bool keep) {
    const Arena::Mark mark = context_.arena.mark();
    saved = {.x = x};
    compute(y, sequences, saved);
    if (!keep)
        context_.arena.rewind(mark);
}

void TrainedBlock::attend_backward(ConstView grad_mixed, MutView grad_qkv, MutView grad_query,
                                   const Sequences& sequences, const Saved& saved) {
    const std::int64_t width = saved.x.shape[1];
    const int head_width = static_cast<int>(width / settings_.heads);
    AttentionBackwardArgs args{.dtype = saved.qkv.dtype,
                               .k_offsets = sequences.offsets,
                               .heads = settings_.heads,
                               .head_width = head_width,
                               .scale = 1.0F / std::sqrt(static_cast<float>(head_width)),
                               .y = saved.mixed,
                               .log_sum_exp = saved.log_sum_exp,
                               .grad_y = grad_mixed,
                               .storage = context_.storage};
    if (!pooled_rows_) {
        args.q = saved.qkv.data;
        args.k = columns_of(saved.qkv, width);
        args.v = columns_of(saved.qkv, 2 * width);
        args.grad_q = grad_qkv.data;
        args.grad_k = columns_of(grad_qkv, width);
        args.grad_v = columns_of(grad_qkv, 2 * width);
        args.q_stride = args.kv_stride = args.grad_q_stride = args.grad_kv_stride = 3 * width;
        args.q_offsets = sequences.offsets;
        args.causal = settings_.causal;
        ops::attention_backward(context_.backend, args);
        return;
    }
    const std::vector<std::int64_t> queries = one_each(sequences.pooled.size());
    args.q = saved.query.data;
    args.k = saved.qkv.data;
    args.v = columns_of(saved.qkv, width);
    args.grad_q = grad_query.data;
    args.grad_k = grad_qkv.data;
    args.grad_v = columns_of(grad_qkv, width);
    args.q_stride = args.grad_q_stride = width;
    args.kv_stride = args.grad_kv_stride = 2 * width;
    args.q_offsets = queries;
    ops::attention_backward(context_.backend, args);
}

void TrainedBlock::backward(MutView grad_y, MutView grad_x, const Sequences& sequences,
                            Saved& saved) {
    Arena& arena = context_.arena;
    const Arena::Mark mark = arena.mark();
    const std::int64_t rows = saved.x.shape[0], width = saved.x.shape[1];
    const std::int64_t results = grad_y.shape[0];

    // Gradients take turns in few buffers, which stay in the caches.
    const DType between = context_.between();
    const MutView grad_narrow = arena.take(Shape{rows, width}, between);
    const MutView grad_wide = arena.take(
        Shape{std::max(results * fc_.out_features(), rows * qkv_.out_features())}, between);
    const auto shaped = [](MutView view, std::int64_t r, std::int64_t columns) {
        view.shape = Shape{r, columns};
        return view;
    };
    const MutView grad_hidden = shaped(grad_wide, results, fc_.out_features());
    const MutView grad_branch = shaped(grad_narrow, results, width);
    proj_.backward({.grad_y = grad_y,
                    .x = saved.hidden,
                    .grad_x = grad_hidden,
                    .activation = settings_.activation,
                    .pre_activation = saved.pre_activation});
    fc_.backward({.grad_y = grad_hidden, .x = saved.normed_2, .grad_x = grad_branch});
    ln_2_.backward(saved.mid, saved.mean_2, saved.rstd_2, grad_branch, grad_y, grad_y);

    // grad_y is now the gradient after the attention, of both its branches.
    out_.backward({.grad_y = grad_y, .x = saved.mixed, .grad_x = grad_branch});
    const MutView grad_qkv = shaped(grad_wide, rows, qkv_.out_features());
    if (!pooled_rows_) {
        attend_backward(grad_branch, grad_qkv, {}, sequences, saved);
        qkv_.backward({.grad_y = grad_qkv, .x = saved.normed_1, .grad_x = grad_narrow});
        ln_1_.backward(saved.x, saved.mean_1, saved.rstd_1, grad_narrow, grad_y, grad_x);
        arena.rewind(mark);
        return;
    }
    const MutView grad_query = arena.take(Shape{results, width}, between);
    const MutView grad_rows = arena.take(Shape{results, width}, between);
    attend_backward(grad_branch, grad_qkv, grad_query, sequences, saved);
    qkv_.backward({.grad_y = grad_qkv, .x = saved.normed_1, .grad_x = grad_narrow});
    query_.backward({.grad_y = grad_query, .x = saved.normed_rows, .grad_x = grad_rows});
    ops::scatter_add_rows(context_.backend,
                          {.x = grad_rows, .rows = sequences.pooled, .y = grad_narrow});
    ops::gather_rows_backward(context_.backend,
                              {.grad_y = grad_y, .rows = sequences.pooled, .grad_x = grad_x});
    ln_1_.backward(saved.x, saved.mean_1, saved.rstd_1, grad_narrow, grad_x, grad_x);
    arena.rewind(mark);
}

} // namespace clip::trainer

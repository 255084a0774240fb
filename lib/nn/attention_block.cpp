// SPDX-License-Identifier: MIT
#include "nn/attention_block.hpp"

#include <cmath>
#include <numeric>
#include <vector>

#include "ops/attention.hpp"
#include "ops/gather_rows.hpp"
#include "ops/linear.hpp"

namespace clip {

void BlockScratch::reserve(Backend& backend, DType storage, std::int64_t rows, std::int64_t width,
                           std::int64_t mlp_width) {
    const DType dtype = backend.activation_dtype(storage);
    const auto grow = [&](Tensor& tensor, std::int64_t elements) {
        clip::reserve(tensor, elements, dtype, backend.memory());
    };
    grow(normed, rows * width);
    grow(qkv, rows * width * 3);
    grow(mixed, rows * width);
    grow(hidden, rows * mlp_width);
}

AttentionBlock::AttentionBlock(Backend& backend, const ParameterScope& scope,
                               const BlockSettings& settings, bool queries_apart)
    : settings_(settings), ln_1_(backend, scope / "ln_1", settings.layer_norm_eps),
      ln_2_(backend, scope / "ln_2", settings.layer_norm_eps) {
    const DType storage = settings.storage;
    {
        const Parameter weight = scope.get("attn.in_proj_weight");
        const Parameter bias = scope.get("attn.in_proj_bias");
        const std::int64_t width = weight.view.shape[1];
        if (queries_apart) {
            query_ = prepare_linear_rows(backend, weight, bias, 0, width, storage);
            keys_values_ = prepare_linear_rows(backend, weight, bias, width, 2 * width, storage);
        } else {
            qkv_ = prepare_linear_rows(backend, weight, bias, 0, 3 * width, storage);
        }
    }
    scope.release("attn.in_proj_weight");
    out_ = prepare_linear_layer(backend, scope, "attn.out_proj", storage);
    fc_ = prepare_linear_layer(backend, scope, "mlp.c_fc", storage);
    proj_ = prepare_linear_layer(backend, scope, "mlp.c_proj", storage);
}

void AttentionBlock::mlp(Backend& backend, MutView x, BlockScratch& scratch) const {
    const std::int64_t rows = x.shape[0], width = x.shape[1];
    const MutView normed = first_rows(scratch.normed, rows, width);
    const MutView hidden = first_rows(scratch.hidden, rows, mlp_width());
    ln_2_.forward(backend, x, normed);
    ops::linear(
        backend,
        {.x = normed, .weights = fc_.get(), .activation = settings_.activation, .y = hidden});
    ops::linear(backend, {.x = hidden, .weights = proj_.get(), .residual = x, .y = x});
}

void AttentionBlock::forward(Backend& backend, MutView x, std::span<const std::int64_t> offsets,
                             BlockScratch& scratch) const {
    expect(qkv_ != nullptr, "a block prepared for single rows is not run on all rows");
    const std::int64_t rows = x.shape[0], width = x.shape[1];
    const int head_width = static_cast<int>(width / settings_.heads);
    scratch.reserve(backend, settings_.storage, rows, width, mlp_width());
    const MutView normed = first_rows(scratch.normed, rows, width);
    const MutView qkv = first_rows(scratch.qkv, rows, 3 * width);
    const MutView mixed = first_rows(scratch.mixed, rows, width);
    ln_1_.forward(backend, x, normed);
    ops::linear(backend, {.x = normed, .weights = qkv_.get(), .y = qkv});
    ops::attention(backend, {.q = qkv.data,
                             .k = part_of(qkv, width, {}).data,
                             .v = part_of(qkv, 2 * width, {}).data,
                             .dtype = qkv.dtype,
                             .q_stride = 3 * width,
                             .kv_stride = 3 * width,
                             .q_offsets = offsets,
                             .k_offsets = offsets,
                             .heads = settings_.heads,
                             .head_width = head_width,
                             .scale = 1.0f / std::sqrt(static_cast<float>(head_width)),
                             .causal = settings_.causal,
                             .y = mixed});
    ops::linear(backend, {.x = mixed, .weights = out_.get(), .residual = x, .y = x});
    mlp(backend, x, scratch);
}

void AttentionBlock::forward_rows(Backend& backend, ConstView x,
                                  std::span<const std::int64_t> offsets,
                                  std::span<const std::int64_t> rows, MutView y,
                                  BlockScratch& scratch) const {
    expect(query_ != nullptr, "a block prepared for all rows is not run on single rows");
    const std::int64_t all = x.shape[0], width = x.shape[1];
    const auto count = static_cast<std::int64_t>(rows.size());
    const int head_width = static_cast<int>(width / settings_.heads);
    scratch.reserve(backend, settings_.storage, all, width, mlp_width());
    const MutView normed = first_rows(scratch.normed, all, width);
    const MutView keys_values = first_rows(scratch.qkv, all, 2 * width);
    const MutView mixed = first_rows(scratch.mixed, count, width);
    ln_1_.forward(backend, x, normed);
    ops::linear(backend, {.x = normed, .weights = keys_values_.get(), .y = keys_values});

    // The queries' rows and projections go where no one else writes: the MLP's scratch and, since
    // the attention reads them last, the result itself.
    ops::gather_rows(backend, {.x = normed, .rows = rows, .y = mixed});
    const MutView query = first_rows(scratch.hidden, count, width);
    ops::linear(backend, {.x = mixed, .weights = query_.get(), .y = query});
    std::vector<std::int64_t> one_each(rows.size() + 1);
    std::iota(one_each.begin(), one_each.end(), std::int64_t{0});
    ops::attention(backend, {.q = query.data,
                             .k = keys_values.data,
                             .v = part_of(keys_values, width, {}).data,
                             .dtype = query.dtype,
                             .q_stride = width,
                             .kv_stride = 2 * width,
                             .q_offsets = one_each,
                             .k_offsets = offsets,
                             .heads = settings_.heads,
                             .head_width = head_width,
                             .scale = 1.0f / std::sqrt(static_cast<float>(head_width)),
                             .causal = false, // the last row of a causal sequence sees all of it
                             .y = mixed});
    ops::gather_rows(backend, {.x = x, .rows = rows, .y = y});
    ops::linear(backend, {.x = mixed, .weights = out_.get(), .residual = y, .y = y});
    mlp(backend, y, scratch);
}

} // namespace clip

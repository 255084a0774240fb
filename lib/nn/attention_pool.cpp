// SPDX-License-Identifier: MIT
#include "nn/attention_pool.hpp"

#include <cmath>
#include <vector>

#include "ops/attention.hpp"
#include "ops/gather_rows.hpp"
#include "ops/linear.hpp"
#include "ops/mean_token.hpp"

namespace clip {

AttentionPool::AttentionPool(Backend& backend, const ParameterScope& scope, int heads,
                             DType storage)
    : heads_(heads), storage_(storage),
      positions_(keep_there(backend, scope, "positional_embedding")),
      query_(prepare_linear_layer(backend, scope, "q_proj", storage)),
      key_(prepare_linear_layer(backend, scope, "k_proj", storage)),
      value_(prepare_linear_layer(backend, scope, "v_proj", storage)),
      output_(prepare_linear_layer(backend, scope, "c_proj", storage)) {}

void AttentionPool::forward(Backend& backend, ConstView x, MutView pooled,
                            BlockScratch& scratch) const {
    const std::int64_t pictures = x.shape[0], tokens = x.shape[1] + 1, width = x.shape[2];
    const std::int64_t rows = pictures * tokens;
    const int head_width = static_cast<int>(width / heads_);
    scratch.reserve(backend, storage_, rows, width, width);
    const MutView all = part_of(scratch.normed.view(), 0, Shape{pictures, tokens, width});
    ops::mean_token(backend, {.x = x, .positions = positions_, .y = all});

    const MutView flat = first_rows(scratch.normed, rows, width);
    const MutView keys = first_rows(scratch.qkv, rows, width);
    const MutView values = part_of(scratch.qkv.view(), rows * width, Shape{rows, width});
    ops::linear(backend, {.x = flat, .weights = key_.get(), .y = keys});
    ops::linear(backend, {.x = flat, .weights = value_.get(), .y = values});

    std::vector<std::int64_t> first(static_cast<std::size_t>(pictures));
    std::vector<std::int64_t> one_each(first.size() + 1), offsets(first.size() + 1);
    for (std::int64_t i = 0; i <= pictures; ++i) {
        const auto at = static_cast<std::size_t>(i);
        offsets[at] = i * tokens;
        one_each[at] = i;
        if (i < pictures)
            first[at] = i * tokens;
    }
    const MutView means = first_rows(scratch.mixed, pictures, width);
    const MutView query = first_rows(scratch.hidden, pictures, width);
    ops::gather_rows(backend, {.x = flat, .rows = first, .y = means});
    ops::linear(backend, {.x = means, .weights = query_.get(), .y = query});
    ops::attention(backend, {.q = query.data,
                             .k = keys.data,
                             .v = values.data,
                             .dtype = query.dtype,
                             .q_stride = width,
                             .kv_stride = width,
                             .q_offsets = one_each,
                             .k_offsets = offsets,
                             .heads = heads_,
                             .head_width = head_width,
                             .scale = 1.0f / std::sqrt(static_cast<float>(head_width)),
                             .y = pooled});
}

void AttentionPool::project(Backend& backend, ConstView pooled, MutView y) const {
    ops::linear(backend, {.x = pooled, .weights = output_.get(), .y = y});
}

} // namespace clip

// SPDX-License-Identifier: MIT
#include "model/text_tower.hpp"

#include <algorithm>
#include <utility>

#include "base/concat.hpp"
#include "ops/embedding.hpp"
#include "ops/linear.hpp"

namespace clip {

TextTower::TextTower(Backend& backend, const ParameterSource& parameters, const ModelConfig& config,
                     DType storage)
    : width_(config.text.width), vocab_size_(config.text.vocab_size),
      context_length_(config.text.context_length),
      token_embedding_(parameters.get("token_embedding.weight")),
      positions_(keep_there(backend, ParameterScope(parameters, ""), "positional_embedding")),
      ln_final_(backend, ParameterScope(parameters, "ln_final."), config.layer_norm_eps) {
    if (!backend.device().is_cpu()) {
        table_ = to_memory(token_embedding_.view, backend.memory());
        token_embedding_ = {};
        parameters.release("token_embedding.weight");
    }
    const BlockSettings settings{.heads = static_cast<int>(config.text.heads),
                                 .activation = config.text.activation,
                                 .layer_norm_eps = config.layer_norm_eps,
                                 .causal = true,
                                 .storage = storage};
    const ParameterScope blocks(parameters, "transformer.resblocks.");
    blocks_.reserve(static_cast<std::size_t>(config.text.layers));
    for (std::int64_t i = 0; i < config.text.layers; ++i)
        blocks_.emplace_back(backend, blocks / concat(i), settings, i + 1 == config.text.layers);
    projection_ =
        prepare_projection(backend, ParameterScope(parameters, ""), "text_projection", storage);
}

std::span<const std::int32_t>
TextTower::tokens_that_count(std::span<const std::int32_t> ids) const {
    if (ids.empty())
        fail(ErrorCode::invalid_argument, "encode text: no tokens");
    if (static_cast<std::int64_t>(ids.size()) > context_length_)
        fail(ErrorCode::invalid_argument, concat("encode text: too many tokens (got ", ids.size(),
                                                 ", want at most ", context_length_, ")"));
    for (const std::int32_t id : ids)
        if (id < 0 || id >= vocab_size_)
            fail(ErrorCode::invalid_argument,
                 concat("encode text: token ", id, " is outside the vocabulary of ", vocab_size_));
    const auto end = std::max_element(ids.begin(), ids.end());
    return ids.first(static_cast<std::size_t>(end - ids.begin()) + 1);
}

void TextTower::forward(Backend& backend, std::span<const std::span<const std::int32_t>> texts,
                        MutView pooled) {
    std::vector<std::int32_t> ids, places;
    std::vector<std::int64_t> offsets{0}, last;
    for (const auto& text : texts) {
        ids.insert(ids.end(), text.begin(), text.end());
        for (std::size_t i = 0; i < text.size(); ++i)
            places.push_back(static_cast<std::int32_t>(i));
        offsets.push_back(static_cast<std::int64_t>(ids.size()));
        last.push_back(offsets.back() - 1);
    }
    const auto rows = static_cast<std::int64_t>(ids.size());
    reserve(x_, rows * width_, DType::f32, backend.memory());
    const MutView x = first_rows(x_, rows, width_);
    ops::embedding(backend,
                   {.ids = ids,
                    .places = places,
                    .table = table_.empty() ? token_embedding_.view : std::as_const(table_).view(),
                    .positions = positions_,
                    .y = x});
    for (std::size_t i = 0; i + 1 < blocks_.size(); ++i)
        blocks_[i].forward(backend, x, offsets, scratch_);
    blocks_.back().forward_rows(backend, x, offsets, last, pooled, scratch_);
    ln_final_.forward(backend, pooled, pooled);
}

void TextTower::project(Backend& backend, ConstView pooled, MutView y) {
    ops::linear(backend, {.x = pooled, .weights = projection_.get(), .y = y});
}

} // namespace clip

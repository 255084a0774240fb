// SPDX-License-Identifier: MIT
#include "trainer/trained_text.hpp"

#include "ops/embedding.hpp"
#include "trainer/row_views.hpp"

namespace clip::trainer {

namespace {

BlockSettings block_settings(const ModelConfig& config) {
    return {.heads = static_cast<int>(config.text.heads),
            .activation = config.text.activation,
            .layer_norm_eps = config.layer_norm_eps,
            .causal = true};
}

} // namespace

TrainedText::TrainedText(const TowerContext& context, const ModelConfig& config)
    : context_(context), width_(config.text.width),
      table_(context.parameters.weight("token_embedding.weight")),
      positions_(context.parameters.weight("positional_embedding")),
      grad_table_(context.parameters.grad("token_embedding.weight")),
      grad_positions_(context.parameters.grad("positional_embedding")),
      blocks_(context, "transformer.resblocks.", config.text.layers, block_settings(config), true),
      ln_final_(context, "ln_final", config.layer_norm_eps),
      projection_(context, "text_projection") {}

void TrainedText::refresh() {
    blocks_.refresh();
    projection_.refresh();
}

void TrainedText::forward_part(Part& part, MutView features, bool keep) {
    Arena& arena = context_.arena;
    const std::int64_t n = part.texts(), rows = part.offsets.back();
    part.x = arena.take(Shape{rows, width_});
    part.pooled = arena.take(Shape{n, width_});
    part.mean = arena.take(Shape{n});
    part.rstd = arena.take(Shape{n});
    part.normed = arena.take(Shape{n, width_});
    ops::embedding(context_.backend, {.ids = part.ids,
                                      .places = part.places,
                                      .table = table_,
                                      .positions = positions_,
                                      .y = part.x});
    blocks_.forward(part.x, part.pooled, part.sequences(), part.blocks, keep);
    ln_final_.forward(part.pooled, part.normed, part.mean, part.rstd);
    projection_.forward(part.normed, features);
}

void TrainedText::forward(std::span<const std::span<const std::int32_t>> texts, MutView features,
                          bool keep) {
    Arena& arena = context_.arena;
    mark_ = arena.mark();
    parts_.clear();
    for (std::size_t next = 0; next < texts.size();) {
        Part part{.first = static_cast<std::int64_t>(next), .offsets = {0}};
        do {
            const auto& text = texts[next];
            for (std::size_t i = 0; i < text.size(); ++i) {
                part.ids.push_back(text[i]);
                part.places.push_back(static_cast<std::int32_t>(i));
            }
            part.offsets.push_back(std::ssize(part.ids));
            part.last.push_back(std::ssize(part.ids) - 1);
            ++next;
        } while (next < texts.size() && std::ssize(part.ids) + std::ssize(texts[next]) <=
                                            context_.rows_of_part(kRowsOfPart));
        const MutView rows = rows_from(features, part.first, part.texts());
        forward_part(part, rows, keep);
        if (keep)
            parts_.push_back(std::move(part));
        else
            arena.rewind(mark_);
    }
}

void TrainedText::backward_part(Part& part, ConstView grad_features) {
    Arena& arena = context_.arena;
    const MutView grad_normed = arena.take(part.pooled.shape);
    const MutView grad_pooled = arena.take(part.pooled.shape);
    const MutView grad_x = arena.take(part.x.shape);
    projection_.backward(grad_features, part.normed, grad_normed);
    ln_final_.backward(part.pooled, part.mean, part.rstd, grad_normed, {}, grad_pooled);
    blocks_.backward(grad_pooled, grad_x, part.sequences(), part.blocks);
    ops::embedding_backward(context_.backend, {.ids = part.ids,
                                               .places = part.places,
                                               .grad_y = grad_x,
                                               .grad_table = grad_table_,
                                               .grad_positions = grad_positions_});
}

void TrainedText::backward(ConstView grad_features) {
    for (std::size_t i = parts_.size(); i-- > 0;) {
        const Arena::Mark mark = context_.arena.mark();
        Part& part = parts_[i];
        backward_part(part, rows_from(grad_features, part.first, part.texts()));
        context_.arena.rewind(mark);
    }
    parts_.clear();
    context_.arena.rewind(mark_);
}

} // namespace clip::trainer

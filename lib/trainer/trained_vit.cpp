// SPDX-License-Identifier: MIT
#include "trainer/trained_vit.hpp"

#include <algorithm>
#include <numeric>

#include "ops/patch_embedding.hpp"
#include "trainer/row_views.hpp"

namespace clip::trainer {

namespace {

BlockSettings block_settings(const ModelConfig& config) {
    return {.heads = static_cast<int>(config.vision.heads),
            .activation = config.vision.activation,
            .layer_norm_eps = config.layer_norm_eps,
            .causal = false};
}

ConstView pictures_from(ConstView pictures, std::int64_t first, std::int64_t count) {
    const std::int64_t side = pictures.shape[2];
    return part_of(pictures, first * 3 * side * side, Shape{count, 3, side, side});
}

} // namespace

std::int64_t pictures_of_part(std::int64_t tokens, std::int64_t rows) {
    return std::max<std::int64_t>(1, rows / tokens);
}

TrainedVit::TrainedVit(const TowerContext& context, const ModelConfig& config)
    : context_(context), width_(config.vision.width), tokens_(config.vision.positions()),
      patch_(static_cast<int>(config.vision.patch_size)),
      patches_(context, "visual.conv1.weight", ""),
      class_token_(context.parameters.weight("visual.class_embedding")),
      positions_(context.parameters.weight("visual.positional_embedding")),
      grad_class_token_(context.parameters.grad("visual.class_embedding")),
      grad_positions_(context.parameters.grad("visual.positional_embedding")),
      ln_pre_(context, "visual.ln_pre", config.layer_norm_eps),
      ln_post_(context, "visual.ln_post", config.layer_norm_eps),
      blocks_(context, "visual.transformer.resblocks.", config.vision.layers,
              block_settings(config), true),
      projection_(context, "visual.proj") {}

void TrainedVit::refresh() {
    patches_.refresh();
    blocks_.refresh();
    projection_.refresh();
}

Sequences TrainedVit::sequences(std::int64_t pictures) {
    if (std::ssize(offsets_) < pictures + 1) {
        offsets_.resize(static_cast<std::size_t>(pictures) + 1);
        for (std::size_t i = 0; i < offsets_.size(); ++i)
            offsets_[i] = static_cast<std::int64_t>(i) * tokens_;
    }
    return {.offsets = std::span(offsets_).first(static_cast<std::size_t>(pictures) + 1),
            .pooled = std::span(offsets_).first(static_cast<std::size_t>(pictures))};
}

void TrainedVit::forward_part(Part& part, MutView features, bool keep) {
    Arena& arena = context_.arena;
    const std::int64_t n = part.pictures.shape[0], rows = n * tokens_;
    part.embedded = arena.take(Shape{rows, width_});
    part.mean = arena.take(Shape{rows});
    part.rstd = arena.take(Shape{rows});
    part.x = arena.take(Shape{rows, width_});
    part.pooled = arena.take(Shape{n, width_});
    part.pooled_mean = arena.take(Shape{n});
    part.pooled_rstd = arena.take(Shape{n});
    part.normed = arena.take(Shape{n, width_});
    MutView by_picture = part.embedded;
    by_picture.shape = Shape{n, tokens_, width_};
    ops::patch_embedding(context_.backend, {.pictures = part.pictures,
                                            .patch = patch_,
                                            .projection = patches_.packed(),
                                            .class_token = class_token_,
                                            .positions = positions_,
                                            .y = by_picture});
    patches_.done();
    ln_pre_.forward(part.embedded, part.x, part.mean, part.rstd);
    blocks_.forward(part.x, part.pooled, sequences(n), part.blocks, keep);
    ln_post_.forward(part.pooled, part.normed, part.pooled_mean, part.pooled_rstd);
    projection_.forward(part.normed, features);
}

void TrainedVit::forward(ConstView pictures, MutView features, bool keep) {
    Arena& arena = context_.arena;
    mark_ = arena.mark();
    parts_.clear();
    const std::int64_t n = pictures.shape[0];
    const std::int64_t step = pictures_of_part(tokens_, context_.rows_of_part(kRowsOfPart));
    for (std::int64_t first = 0; first < n; first += step) {
        const std::int64_t count = std::min(step, n - first);
        Part part{.first = first, .pictures = pictures_from(pictures, first, count)};
        forward_part(part, rows_from(features, first, count), keep);
        if (keep)
            parts_.push_back(std::move(part));
        else
            arena.rewind(mark_);
    }
}

void TrainedVit::backward_part(Part& part, ConstView grad_features) {
    Arena& arena = context_.arena;
    const std::int64_t n = part.pictures.shape[0], rows = n * tokens_;
    const MutView grad_normed = arena.take(Shape{n, width_});
    const MutView grad_pooled = arena.take(Shape{n, width_});
    const MutView grad_x = arena.take(Shape{rows, width_});
    projection_.backward(grad_features, part.normed, grad_normed);
    ln_post_.backward(part.pooled, part.pooled_mean, part.pooled_rstd, grad_normed, {},
                      grad_pooled);
    blocks_.backward(grad_pooled, grad_x, sequences(n), part.blocks);
    MutView by_picture = arena.take(Shape{rows, width_});
    ln_pre_.backward(part.embedded, part.mean, part.rstd, grad_x, {}, by_picture);
    by_picture.shape = Shape{n, tokens_, width_};
    ops::patch_embedding_backward(context_.backend, {.pictures = part.pictures,
                                                     .patch = patch_,
                                                     .grad_y = by_picture,
                                                     .grad_projection = patches_.grad_weight(),
                                                     .grad_class_token = grad_class_token_,
                                                     .grad_positions = grad_positions_,
                                                     .storage = context_.storage});
}

void TrainedVit::backward(ConstView grad_features) {
    for (std::size_t i = parts_.size(); i-- > 0;) {
        const Arena::Mark mark = context_.arena.mark();
        Part& part = parts_[i];
        backward_part(part, rows_from(grad_features, part.first, part.pictures.shape[0]));
        context_.arena.rewind(mark);
    }
    parts_.clear();
    context_.arena.rewind(mark_);
}

} // namespace clip::trainer

// SPDX-License-Identifier: MIT
#include "trainer/predictive_learner.hpp"

#include <numeric>
#include <vector>

#include "trainer/slices.hpp"

namespace clip::trainer {

PredictiveLearner::PredictiveLearner(const LearnerParts& parts)
    : context_(parts.context), width_(parts.config.embed_dim), ranks_(parts.ranks),
      vision_(make_trained_vision_tower(parts.context, parts.config)),
      encoder_(parts.context, parts.config) {}

void PredictiveLearner::refresh() {
    vision_->refresh();
    encoder_.refresh();
    refresh_head();
}

double PredictiveLearner::learn(const LearnerBatch& batch, std::size_t slices) {
    double sum = 0;
    for_slices(batch, slices, ranks_,
               [&](const LearnerBatch& slice) { sum += learn_slice(slice); });
    return mean_over_ranks(sum, batch, ranks_);
}

/// The sum of the losses of some pictures.
double PredictiveLearner::learn_slice(const LearnerBatch& slice) {
    Arena& arena = context_.arena;
    const Arena::Mark mark = arena.mark();
    const std::int64_t count = slice.pictures.shape[0];
    std::vector<double> losses(slice.texts.size());
    const MutView features = arena.take(Shape{count, width_});
    const MutView grad_features = arena.take(Shape{count, width_});
    vision_->forward(pictures_.there(slice.pictures, context_.backend.memory()), features, true);
    learn_head(features, slice.texts,
               static_cast<double>(slice.loss_scale) / static_cast<double>(slice.global_rows),
               losses, grad_features);
    vision_->backward(grad_features);
    arena.rewind(mark);
    return std::accumulate(losses.begin(), losses.end(), 0.0);
}

double PredictiveLearner::evaluate(const LearnerBatch& batch) {
    std::vector<double> losses(batch.texts.size());
    const Arena::Mark mark = context_.arena.mark();
    head_losses(encode(batch.pictures), batch.texts, losses);
    context_.arena.rewind(mark);
    return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
}

void PredictiveLearner::score(ConstView pictures, std::span<const TokenizedText> captions,
                              MutView scores) {
    const Arena::Mark mark = context_.arena.mark();
    head_scores(encode(pictures), captions, scores);
    context_.arena.rewind(mark);
}

MutView PredictiveLearner::encode(ConstView pictures) {
    const MutView features = context_.arena.take(Shape{pictures.shape[0], width_});
    encoder_.encode(pictures, features);
    return features;
}

} // namespace clip::trainer

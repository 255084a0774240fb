// SPDX-License-Identifier: MIT
#include "trainer/caption_learner.hpp"

#include <algorithm>
#include <numeric>

#include "trainer/caption_decoder.hpp"
#include "trainer/picture_encoder.hpp"
#include "trainer/slices.hpp"

namespace clip::trainer {

namespace {

// Pairs of score() that are listed at once.
constexpr std::int64_t kPairsAtOnce = 4096;

class CaptionLearner final : public Learner {
  public:
    explicit CaptionLearner(const LearnerParts& parts)
        : context_(parts.context), width_(parts.config.embed_dim), ranks_(parts.ranks),
          vision_(make_trained_vision_tower(parts.context, parts.config)),
          encoder_(parts.context, parts.config), decoder_(parts.context, parts.config) {}

    void refresh() override {
        vision_->refresh();
        encoder_.refresh();
        decoder_.refresh();
    }

    double learn(const LearnerBatch& batch, std::size_t slices) override {
        double sum = 0;
        for_slices(batch, slices, ranks_,
                   [&](const LearnerBatch& slice) { sum += learn_slice(slice); });
        return mean_over_ranks(sum, batch, ranks_);
    }

    double evaluate(const LearnerBatch& batch) override {
        const Arena::Mark mark = context_.arena.mark();
        const MutView features = encode(batch.pictures);
        std::vector<CaptionPair> pairs(batch.texts.size());
        for (std::size_t i = 0; i < pairs.size(); ++i)
            pairs[i].picture = pairs[i].text = static_cast<std::int64_t>(i);
        std::vector<double> losses(pairs.size());
        decoder_.losses(features, batch.texts, pairs, losses);
        context_.arena.rewind(mark);
        return std::accumulate(losses.begin(), losses.end(), 0.0) /
               static_cast<double>(losses.size());
    }

    void score(ConstView pictures, std::span<const TokenizedText> captions,
               MutView scores) override {
        const Arena::Mark mark = context_.arena.mark();
        const MutView features = encode(pictures);
        const std::int64_t each = std::ssize(captions), all = pictures.shape[0] * each;
        std::vector<CaptionPair> pairs;
        std::vector<double> losses;
        for (std::int64_t first = 0; first < all; first += kPairsAtOnce) {
            pairs.clear();
            for (std::int64_t p = first; p < std::min(all, first + kPairsAtOnce); ++p)
                pairs.push_back({.picture = p / each, .text = p % each});
            losses.resize(pairs.size());
            decoder_.losses(features, captions, pairs, losses);
            for (std::size_t i = 0; i < losses.size(); ++i)
                scores.f32()[first + static_cast<std::int64_t>(i)] = static_cast<float>(-losses[i]);
        }
        context_.arena.rewind(mark);
    }

  private:
    /// The sum of the losses of some pictures.
    double learn_slice(const LearnerBatch& slice) {
        Arena& arena = context_.arena;
        const Arena::Mark mark = arena.mark();
        const std::int64_t count = slice.pictures.shape[0];
        std::vector<double> losses(slice.texts.size());
        const MutView features = arena.take(Shape{count, width_});
        const MutView grad_features = arena.take(Shape{count, width_});
        vision_->forward(slice.pictures, features, true);
        decoder_.learn(features, slice.texts, 1.0 / static_cast<double>(slice.global_rows), losses,
                       grad_features);
        vision_->backward(grad_features);
        arena.rewind(mark);
        return std::accumulate(losses.begin(), losses.end(), 0.0);
    }

    MutView encode(ConstView pictures) {
        const MutView features = context_.arena.take(Shape{pictures.shape[0], width_});
        encoder_.encode(pictures, features);
        return features;
    }

    const TowerContext& context_;
    std::int64_t width_;
    Communicator& ranks_;
    std::unique_ptr<TrainedVisionTower> vision_;
    PictureEncoder encoder_;
    CaptionDecoder decoder_;
};

} // namespace

std::unique_ptr<Learner> make_caption_learner(const LearnerParts& parts) {
    return std::make_unique<CaptionLearner>(parts);
}

} // namespace clip::trainer

// SPDX-License-Identifier: MIT
#include "trainer/caption_learner.hpp"

#include <algorithm>
#include <vector>

#include "trainer/caption_decoder.hpp"
#include "trainer/predictive_learner.hpp"

namespace clip::trainer {

namespace {

// Pairs of score() that are listed at once.
constexpr std::int64_t kPairsAtOnce = 4096;

class CaptionLearner final : public PredictiveLearner {
  public:
    explicit CaptionLearner(const LearnerParts& parts)
        : PredictiveLearner(parts), decoder_(parts.context, parts.config) {}

  private:
    void refresh_head() override { decoder_.refresh(); }

    void learn_head(ConstView features, std::span<const TokenizedText> texts, double weight,
                    std::span<double> losses, MutView grad_features) override {
        decoder_.learn(features, texts, weight, losses, grad_features);
    }

    void head_losses(ConstView features, std::span<const TokenizedText> texts,
                     std::span<double> losses) override {
        std::vector<CaptionPair> pairs(texts.size());
        for (std::size_t i = 0; i < pairs.size(); ++i)
            pairs[i].picture = pairs[i].text = static_cast<std::int64_t>(i);
        decoder_.losses(features, texts, pairs, losses);
    }

    void head_scores(ConstView features, std::span<const TokenizedText> captions,
                     MutView scores) override {
        const std::int64_t each = std::ssize(captions), all = features.shape[0] * each;
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
    }

    CaptionDecoder decoder_;
};

} // namespace

std::unique_ptr<Learner> make_caption_learner(const LearnerParts& parts) {
    return std::make_unique<CaptionLearner>(parts);
}

} // namespace clip::trainer

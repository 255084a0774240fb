// SPDX-License-Identifier: MIT
#include "trainer/bag_of_words_learner.hpp"

#include <algorithm>
#include <vector>

#include "trainer/predictive_learner.hpp"
#include "trainer/vocabulary_softmax.hpp"

namespace clip::trainer {

namespace {

/// The distinct tokens of captions.
struct Bags {
    std::vector<std::int32_t> ids;
    std::vector<std::int64_t> offsets{0};

    explicit Bags(std::span<const TokenizedText> texts) {
        for (const TokenizedText& text : texts) {
            const auto first = static_cast<std::ptrdiff_t>(ids.size());
            if (text.ids.size() > 2)
                ids.insert(ids.end(), text.ids.begin() + 1, text.ids.end() - 1);
            std::sort(ids.begin() + first, ids.end());
            ids.erase(std::unique(ids.begin() + first, ids.end()), ids.end());
            offsets.push_back(std::ssize(ids));
        }
    }
    TokenSets sets() const { return {.ids = ids, .offsets = offsets}; }
};

class BagOfWordsLearner final : public PredictiveLearner {
  public:
    explicit BagOfWordsLearner(const LearnerParts& parts)
        : PredictiveLearner(parts),
          head_(parts.context, "bag_of_words.weight", "bag_of_words.bias") {}

  private:
    void refresh_head() override { head_.refresh(); }

    void learn_head(ConstView features, std::span<const TokenizedText> texts, double weight,
                    std::span<double> losses, MutView grad_features) override {
        const Bags bags(texts);
        const std::vector<float> weights(texts.size(), static_cast<float>(weight));
        head_.learn(features, bags.sets(), weights, losses, grad_features);
    }

    void head_losses(ConstView features, std::span<const TokenizedText> texts,
                     std::span<double> losses) override {
        const Bags bags(texts);
        head_.losses(features, bags.sets(), losses);
    }

    void head_scores(ConstView features, std::span<const TokenizedText> captions,
                     MutView scores) override {
        const Bags bags(captions);
        head_.score(features, bags.sets(), scores);
    }

    VocabularySoftmax head_;
};

} // namespace

std::unique_ptr<Learner> make_bag_of_words_learner(const LearnerParts& parts) {
    return std::make_unique<BagOfWordsLearner>(parts);
}

} // namespace clip::trainer

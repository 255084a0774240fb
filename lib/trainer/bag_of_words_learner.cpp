// SPDX-License-Identifier: MIT
#include "trainer/bag_of_words_learner.hpp"

#include <algorithm>
#include <numeric>

#include "trainer/picture_encoder.hpp"
#include "trainer/slices.hpp"
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

class BagOfWordsLearner final : public Learner {
  public:
    explicit BagOfWordsLearner(const LearnerParts& parts)
        : context_(parts.context), width_(parts.config.embed_dim), ranks_(parts.ranks),
          vision_(make_trained_vision_tower(parts.context, parts.config)),
          encoder_(parts.context, parts.config),
          head_(parts.context, "bag_of_words.weight", "bag_of_words.bias") {}

    void refresh() override {
        vision_->refresh();
        encoder_.refresh();
        head_.refresh();
    }

    double learn(const LearnerBatch& batch, std::size_t slices) override {
        double sum = 0;
        for_slices(batch, slices, ranks_,
                   [&](const LearnerBatch& slice) { sum += learn_slice(slice); });
        return mean_over_ranks(sum, batch, ranks_);
    }

    double evaluate(const LearnerBatch& batch) override {
        const Bags bags(batch.texts);
        std::vector<double> losses(batch.texts.size());
        const Arena::Mark mark = context_.arena.mark();
        head_.losses(encode(batch.pictures), bags.sets(), losses);
        context_.arena.rewind(mark);
        return std::accumulate(losses.begin(), losses.end(), 0.0) /
               static_cast<double>(losses.size());
    }

    void score(ConstView pictures, std::span<const TokenizedText> captions,
               MutView scores) override {
        const Bags bags(captions);
        const Arena::Mark mark = context_.arena.mark();
        head_.score(encode(pictures), bags.sets(), scores);
        context_.arena.rewind(mark);
    }

  private:
    /// The sum of the losses of some pictures.
    double learn_slice(const LearnerBatch& slice) {
        Arena& arena = context_.arena;
        const Arena::Mark mark = arena.mark();
        const std::int64_t count = slice.pictures.shape[0];
        const Bags bags(slice.texts);
        const std::vector<float> weights(slice.texts.size(),
                                         1.0F / static_cast<float>(slice.global_rows));
        std::vector<double> losses(slice.texts.size());
        const MutView features = arena.take(Shape{count, width_});
        const MutView grad_features = arena.take(Shape{count, width_});
        vision_->forward(slice.pictures, features, true);
        head_.learn(features, bags.sets(), weights, losses, grad_features);
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
    VocabularySoftmax head_;
};

} // namespace

std::unique_ptr<Learner> make_bag_of_words_learner(const LearnerParts& parts) {
    return std::make_unique<BagOfWordsLearner>(parts);
}

} // namespace clip::trainer

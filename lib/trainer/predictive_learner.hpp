// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "trainer/learner.hpp"
#include "trainer/picture_encoder.hpp"
#include "trainer/staged_pictures.hpp"

namespace clip::trainer {

/// What the objectives share that predict something of a caption from the picture alone: the
/// picture tower, and a loss that is a mean over pictures. Subclasses have the head.
class PredictiveLearner : public Learner {
  public:
    explicit PredictiveLearner(const LearnerParts& parts);

    void refresh() final;
    double learn(const LearnerBatch& batch, std::size_t slices) final;
    double evaluate(const LearnerBatch& batch) final;
    void score(ConstView pictures, std::span<const TokenizedText> captions, MutView scores) final;

  private:
    virtual void refresh_head() = 0;
    /// features (N, E) and their texts (N) -> losses (N), grad_features (N, E) written. Gradients
    /// of parameters and features are those of the losses' sum times `weight`.
    virtual void learn_head(ConstView features, std::span<const TokenizedText> texts, double weight,
                            std::span<double> losses, MutView grad_features) = 0;
    /// The same losses alone.
    virtual void head_losses(ConstView features, std::span<const TokenizedText> texts,
                             std::span<double> losses) = 0;
    /// features (N, E), captions (C) -> scores (N, C) written
    virtual void head_scores(ConstView features, std::span<const TokenizedText> captions,
                             MutView scores) = 0;

    double learn_slice(const LearnerBatch& slice);
    MutView encode(ConstView pictures);

    const TowerContext& context_;
    std::int64_t width_;
    Communicator& ranks_;
    std::unique_ptr<TrainedVisionTower> vision_;
    PictureEncoder encoder_;
    StagedPictures pictures_; ///< of a slice
};

} // namespace clip::trainer

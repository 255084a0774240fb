// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "trainer/trained_tower.hpp"
#include "trainer/trained_transformer.hpp"

namespace clip::trainer {

/// How many pictures of so many tokens go through the tower together.
std::int64_t pictures_of_part(std::int64_t tokens, std::int64_t rows = kRowsOfPart);

/// VisionTransformer (model/vision_transformer.hpp), forward and backward. A batch goes through in
/// parts of some pictures, for the caches' sake.
class TrainedVit final : public TrainedVisionTower {
  public:
    TrainedVit(const TowerContext& context, const ModelConfig& config);

    void refresh() override;
    void forward(ConstView pictures, MutView features, bool keep) override;
    void backward(ConstView grad_features) override;

  private:
    /// What is kept of some pictures of the batch.
    struct Part {
        std::int64_t first = 0; ///< the first of them
        ConstView pictures;
        MutView embedded, mean, rstd; ///< before ln_pre
        MutView x;                    ///< (R, D) behind it
        TrainedTransformer::Saved blocks;
        MutView pooled, pooled_mean, pooled_rstd, normed; ///< (N, D) round ln_post
    };

    Sequences sequences(std::int64_t pictures);
    void forward_part(Part& part, MutView features, bool keep);
    void backward_part(Part& part, ConstView grad_features);

    const TowerContext& context_;
    std::int64_t width_, tokens_;
    int patch_;
    TrainedLinear patches_;
    ConstView class_token_, positions_;
    MutView grad_class_token_, grad_positions_;
    TrainedLayerNorm ln_pre_, ln_post_;
    TrainedTransformer blocks_;
    TrainedProjection projection_;
    std::vector<std::int64_t> offsets_;
    std::vector<Part> parts_;
    Arena::Mark mark_;
};

} // namespace clip::trainer

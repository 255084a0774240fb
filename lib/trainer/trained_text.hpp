// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "trainer/trained_tower.hpp"
#include "trainer/trained_transformer.hpp"

namespace clip::trainer {

/// TextTower (model/text_tower.hpp), forward and backward: texts without padding, one after the
/// other, in parts of some texts.
class TrainedText final : public TrainedTextTower {
  public:
    TrainedText(const TowerContext& context, const ModelConfig& config);

    void refresh() override;
    void forward(std::span<const std::span<const std::int32_t>> texts, MutView features,
                 bool keep) override;
    void backward(ConstView grad_features) override;

  private:
    /// What is kept of some texts of the batch.
    struct Part {
        std::int64_t first = 0; ///< the first of them
        std::vector<std::int32_t> ids, places;
        std::vector<std::int64_t> offsets, last;
        MutView x; ///< (R, D) embedded
        TrainedTransformer::Saved blocks;
        MutView pooled, mean, rstd, normed; ///< (N, D) round ln_final

        Sequences sequences() const { return {.offsets = offsets, .pooled = last}; }
        std::int64_t texts() const { return std::ssize(last); }
    };

    void forward_part(Part& part, MutView features, bool keep);
    void backward_part(Part& part, ConstView grad_features);

    const TowerContext& context_;
    std::int64_t width_;
    ConstView table_, positions_;
    MutView grad_table_, grad_positions_;
    TrainedTransformer blocks_;
    TrainedLayerNorm ln_final_;
    TrainedProjection projection_;
    std::vector<Part> parts_;
    Arena::Mark mark_;
};

} // namespace clip::trainer

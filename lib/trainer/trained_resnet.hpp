// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "trainer/trained_attention_pool.hpp"
#include "trainer/trained_bottleneck.hpp"
#include "trainer/trained_tower.hpp"

namespace clip::trainer {

/// ModifiedResnet (model/modified_resnet.hpp), forward and backward. The batch goes through whole:
/// its statistics are what the batch norms work with. forward() with `keep` moves the running
/// statistics that inference uses; without, it gives the same features and leaves those.
class TrainedResnet final : public TrainedVisionTower {
  public:
    TrainedResnet(const TowerContext& context, const ModelConfig& config);

    void refresh() override;
    void forward(ConstView pictures, MutView features, bool keep) override;
    void backward(ConstView grad_features) override;

  private:
    void compute_stem(bool update_running);
    void stem_backward(MutView grad_pooled);
    /// Takes memory for two maps that take turns, ...
    void take_turns();
    /// ... and this is the one whose turn it is.
    MutView next_turn(const Shape& shape);

    const TowerContext& context_;
    std::vector<TrainedConv> stem_;
    std::vector<TrainedBottleneck> blocks_;
    TrainedAttentionPool pool_;

    ConstView pictures_;
    std::vector<TrainedConv::Saved> stem_saved_;
    MutView stem_result_; ///< (N, S / 4, S / 4, width) behind its average pool
    std::vector<TrainedBottleneck::Saved> saved_;
    std::int64_t largest_map_ = 0; ///< elements, of those between blocks
    MutView turns_[2];
    Arena::Mark mark_;
};

} // namespace clip::trainer

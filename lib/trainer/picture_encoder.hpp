// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "model/vision_tower.hpp"
#include "trainer/layers.hpp"
#include "trainer/staged_pictures.hpp"

namespace clip::trainer {

/// The picture tower as inference computes it, from the weights of a run: what validation uses
/// between steps, and what a locked tower is. Batch norms use their running statistics, folded into
/// convolutions. Scratch is taken from the context's arena and given back.
class PictureEncoder {
  public:
    PictureEncoder(const TowerContext& context, const ModelConfig& config)
        : context_(context), config_(config) {}
    /// To be called whenever weights have changed. Gives the packed weights' memory back.
    void refresh() { tower_.reset(); }
    /// pictures (N, 3, S, S), on the host or in the backend's memory -> features (N, E) there, not
    /// normalised
    void encode(ConstView pictures, MutView features);

  private:
    const TowerContext& context_;
    ModelConfig config_;
    std::unique_ptr<VisionTower> tower_; ///< made when it is first needed
    StagedPictures pictures_;            ///< those that go through together
};

} // namespace clip::trainer

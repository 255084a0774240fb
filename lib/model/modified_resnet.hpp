// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "model/vision_tower.hpp"
#include "nn/attention_pool.hpp"
#include "nn/bottleneck.hpp"

namespace clip {

/// CLIP's ResNet: a stem of three convolutions and an average pool, four stages of bottlenecks, an
/// attention pool (Radford et al. 2021, section 2.4).
///
/// Parameters: conv1..3, bn1..3, layer1..4.<i>, attnpool.
class ModifiedResnet final : public VisionTower {
  public:
    ModifiedResnet(Backend& backend, const ParameterScope& scope, const ModelConfig& config,
                   DType storage);

    void forward(Backend& backend, ConstView pictures, MutView pooled) override;
    void project(Backend& backend, ConstView pooled, MutView y) override;
    std::int64_t penultimate_width() const override { return penultimate_width_; }
    std::int64_t pictures_at_once() const override;

  private:
    void compute(Backend& backend, ConstView pictures, MutView pooled);

    std::int64_t image_size_, penultimate_width_, activation_bytes_;
    std::unique_ptr<PreparedConv2d> stem_[3];
    std::vector<Bottleneck> blocks_;
    AttentionPool pool_;
    FeatureMap x_, y_;
    BottleneckScratch scratch_;
    BlockScratch pool_scratch_;
    RepeatedForward repeated_;
};

} // namespace clip

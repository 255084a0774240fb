// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "model/vision_tower.hpp"
#include "nn/attention_block.hpp"

namespace clip {

/// Dosovitskiy et al. 2021, equations 1 to 4, with CLIP's extra norm before the blocks and a
/// projection of the class token behind them.
///
/// Parameters: conv1.weight (D, 3, P, P), class_embedding (D), positional_embedding (G*G+1, D),
/// ln_pre, transformer.resblocks.<i>, ln_post, proj (D, E).
class VisionTransformer final : public VisionTower {
  public:
    VisionTransformer(Backend& backend, const ParameterScope& scope, const ModelConfig& config,
                      DType storage);

    void forward(Backend& backend, ConstView pictures, MutView pooled) override;
    void project(Backend& backend, ConstView pooled, MutView y) override;
    std::int64_t penultimate_width() const override { return width_; }
    std::int64_t pictures_at_once() const override;

  private:
    void compute(Backend& backend, ConstView pictures, MutView pooled);

    std::int64_t width_, tokens_, rows_at_once_;
    int patch_;
    std::unique_ptr<PreparedLinear> patches_;
    Tensor class_token_, positions_;
    LayerNorm ln_pre_, ln_post_;
    std::vector<AttentionBlock> blocks_;
    std::unique_ptr<PreparedLinear> projection_;
    Tensor tokens_scratch_; // (N, L, D)
    BlockScratch scratch_;
    RepeatedForward repeated_;
};

} // namespace clip

// SPDX-License-Identifier: MIT
#pragma once

#include "nn/attention_block.hpp"

namespace clip {

/// The pooling of CLIP's ResNets: attention with the mean of all places as its only query.
///
/// Parameters: positional_embedding (L + 1, C), q_proj, k_proj, v_proj (C, C), c_proj (E, C).
/// Source: Radford et al. 2021, section 2.4; the mean token comes first, scale 1/sqrt(head width).
class AttentionPool {
  public:
    AttentionPool(Backend& backend, const ParameterScope& scope, int heads, DType storage);

    /// x (N, L, C) -> pooled (N, C), before the output projection.
    void forward(Backend& backend, ConstView x, MutView pooled, BlockScratch& scratch) const;
    /// pooled (N, C) -> y (N, E)
    void project(Backend& backend, ConstView pooled, MutView y) const;

    std::int64_t embed_dim() const { return output_->out_features(); }

  private:
    int heads_;
    DType storage_;
    Tensor positions_;
    std::unique_ptr<PreparedLinear> query_, key_, value_, output_;
};

} // namespace clip

// SPDX-License-Identifier: MIT
// The residual attention block of both transformer towers.
#pragma once

#include <cstdint>
#include <span>

#include "nn/norm.hpp"

namespace clip {

/// What one block of a transformer is made of; the same for all blocks of a tower.
struct BlockSettings {
    int heads = 1;
    Activation activation = Activation::quick_gelu;
    float layer_norm_eps = 1e-5f;
    bool causal = false;
    DType storage = DType::f32;
};

/// Memory that the blocks of a tower take turns to use, of the type that goes between layers. Grows
/// to the largest batch, then stays.
struct BlockScratch {
    Tensor normed; ///< (R, D)
    Tensor qkv;    ///< (R, 3 D)
    Tensor mixed;  ///< (R, D) attention's result
    Tensor hidden; ///< (R, M)
    /// Makes room for R rows. Contents are lost.
    void reserve(Backend& backend, DType storage, std::int64_t rows, std::int64_t width,
                 std::int64_t mlp_width);
};

/// x = x + out(attention(qkv(ln_1(x)))); x = x + proj(act(fc(ln_2(x))))
///
/// Source: Vaswani et al. 2017, section 3.2, with the norms first (Radford et al. 2021,
/// section 2.4).
class AttentionBlock {
  public:
    /// `queries_apart` keeps the query projection as a layer of its own, which forward_rows needs.
    /// Parameters: ln_1, ln_2 {weight, bias}; attn.in_proj_weight (3 D, D), attn.in_proj_bias;
    /// attn.out_proj; mlp.c_fc (M, D); mlp.c_proj (D, M).
    AttentionBlock(Backend& backend, const ParameterScope& scope, const BlockSettings& settings,
                   bool queries_apart);

    /// All rows of x (R, D), in place. Sequence i has rows [offsets[i], offsets[i+1]).
    void forward(Backend& backend, MutView x, std::span<const std::int64_t> offsets,
                 BlockScratch& scratch) const;

    /// One row a sequence: y[i] (N, D) is row rows[i] of what forward would have made of x. Keys
    /// and values are computed for all rows, everything else for the N rows only. With `causal`,
    /// rows[i] must be the last row of its sequence.
    void forward_rows(Backend& backend, ConstView x, std::span<const std::int64_t> offsets,
                      std::span<const std::int64_t> rows, MutView y, BlockScratch& scratch) const;

    std::int64_t mlp_width() const { return fc_->out_features(); }

  private:
    void mlp(Backend& backend, MutView x, BlockScratch& scratch) const;

    BlockSettings settings_;
    LayerNorm ln_1_, ln_2_;
    std::unique_ptr<PreparedLinear> qkv_;         // (3 D, D), or
    std::unique_ptr<PreparedLinear> query_;       // (D, D) and
    std::unique_ptr<PreparedLinear> keys_values_; // (2 D, D)
    std::unique_ptr<PreparedLinear> out_, fc_, proj_;
};

} // namespace clip

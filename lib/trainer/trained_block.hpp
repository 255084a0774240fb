// SPDX-License-Identifier: MIT
// The residual attention block of both transformer towers, forward and backward.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "nn/attention_block.hpp"
#include "trainer/layers.hpp"

namespace clip::trainer {

/// The rows of a batch's sequences, one after the other.
struct Sequences {
    std::span<const std::int64_t> offsets; ///< (N + 1): sequence i has rows [offsets[i], ...[i+1])
    std::span<const std::int64_t> pooled;  ///< (N): the row of each that the tower reads out
};

/// x = x + out(attention(qkv(ln_1(x)))); x = x + proj(act(fc(ln_2(x)))), as AttentionBlock.
///
/// The last block of a tower is made with `pooled_rows`: its result is that of the pooled rows
/// only, and so is all of its work but keys and values. With a causal mask, a pooled row must be
/// the last one of its sequence.
class TrainedBlock {
  public:
    /// What the backward pass needs, in the context's arena.
    struct Saved {
        MutView x; ///< (R, D) the block's input
        MutView mean_1, rstd_1, log_sum_exp;
        MutView normed_1, qkv, mixed;   ///< of the context's type between() ops
        MutView normed_rows, query;     ///< (N, D) of pooled rows, likewise
        MutView mid;                    ///< (Q, D) after the attention; Q is R, or N
        MutView mean_2, rstd_2;         ///< (Q)
        MutView normed_2;               ///< (Q, D) of the type between() ops
        MutView pre_activation, hidden; ///< (Q, M) likewise
    };

    /// Parameters below `name` ("visual.transformer.resblocks.0.") as in AttentionBlock.
    TrainedBlock(const TowerContext& context, const std::string& name,
                 const BlockSettings& settings, bool pooled_rows);

    void refresh();

    /// x (R, D) -> y (Q, D), which the caller has taken, or empty where only what backward() needs
    /// is wanted. Without `keep` all else that is taken goes back to the arena; x must live until
    /// backward().
    void forward(MutView x, MutView y, const Sequences& sequences, Saved& saved, bool keep);
    /// grad_y (Q, D), whose content is lost -> grad_x (R, D) written; without pooled rows the two
    /// may be the same memory. Adds gradients of parameters.
    void backward(MutView grad_y, MutView grad_x, const Sequences& sequences, Saved& saved);

  private:
    void compute(MutView y, const Sequences& sequences, Saved& saved);
    void attend(const Sequences& sequences, Saved& saved);
    void attend_backward(ConstView grad_mixed, MutView grad_qkv, MutView grad_query,
                         const Sequences& sequences, const Saved& saved);

    const TowerContext& context_;
    BlockSettings settings_;
    bool pooled_rows_;
    TrainedLayerNorm ln_1_, ln_2_;
    TrainedLinear qkv_;   ///< (3 D, D), or keys and values (2 D, D) where the queries are apart
    TrainedLinear query_; ///< (D, D), used with pooled rows only
    TrainedLinear out_, fc_, proj_;
};

} // namespace clip::trainer

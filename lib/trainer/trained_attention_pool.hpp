// SPDX-License-Identifier: MIT
// The pooling of CLIP's ResNets, forward and backward.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/layers.hpp"

namespace clip::trainer {

/// AttentionPool (nn/attention_pool.hpp) with its output projection: the mean token is the only
/// query, so one row a picture goes through the query's and the output's weights.
class TrainedAttentionPool {
  public:
    /// Parameters below `name` ("visual.attnpool.").
    TrainedAttentionPool(const TowerContext& context, const std::string& name, int heads);

    void refresh();
    /// x (N, L, C), which must live until backward() -> y (N, E). What backward() needs stays in
    /// the arena with `keep`, and not in a frugal context.
    void forward(ConstView x, MutView y, bool keep);
    /// grad_y (N, E) -> grad_x (N, L, C) written. Adds gradients of parameters.
    void backward(ConstView grad_y, MutView grad_x);

  private:
    void compute(ConstView x, MutView y);

    const TowerContext& context_;
    int heads_;
    ConstView positions_;
    MutView grad_positions_;
    TrainedLinear query_, key_, value_, output_;

    ConstView x_;
    std::vector<std::int64_t> first_;            ///< (N) rows of the mean tokens
    std::vector<std::int64_t> ones_, sequences_; ///< (N + 1) offsets of queries and of keys
    MutView tokens_, keys_, values_;             ///< (N * (L + 1), C)
    MutView means_, queries_, mixed_;            ///< (N, C)
    MutView log_sum_exp_;                        ///< (N, heads)
};

} // namespace clip::trainer

// SPDX-License-Identifier: MIT
#pragma once

#include "backend/train_args.hpp"
#include "communicator/communicator.hpp"

namespace clip::trainer {

/// What ops know of ranks: batch norm's sums, added up by a communicator that must outlive this.
class RankSums final : public SumAcross {
  public:
    explicit RankSums(Communicator& ranks) : ranks_(ranks) {}
    void sum(std::span<double> values) override { ranks_.all_reduce_sum(values); }
    /// This, or null where there is nobody to add anything.
    SumAcross* get() { return ranks_.size() > 1 ? this : nullptr; }

  private:
    Communicator& ranks_;
};

} // namespace clip::trainer

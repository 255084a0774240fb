// SPDX-License-Identifier: MIT
// A stack of residual attention blocks that is trained.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/trained_block.hpp"

namespace clip::trainer {

/// Rows that go through all blocks together, at most, but at least one sequence. Few enough that
/// what a block makes is still in the last cache when the next op reads it, and enough that a
/// frugal tower, which packs weights anew for every part, does not only pack. Sums over rows end
/// where a part ends: one number for all towers, frugal or not, is why they give the same bits.
constexpr std::int64_t kRowsOfPart = 1600;

/// A frugal tower keeps the input of every third block, and computes the others again three blocks
/// at a time: what three blocks of one part take is less than the inputs of all blocks of all
/// parts.
constexpr std::size_t kBlocksOfSegment = 3;

/// Blocks one after the other; where `pooled_last`, the last one gives pooled rows only.
class TrainedTransformer {
  public:
    /// What the backward pass needs, in the context's arena.
    struct Saved {
        std::vector<TrainedBlock::Saved> blocks;
        std::vector<MutView> segments; ///< (R, D) their inputs, in a frugal context
    };

    /// Parameters below `name` ("visual.transformer.resblocks.") and the number of a block.
    TrainedTransformer(const TowerContext& context, const std::string& name, std::int64_t layers,
                       const BlockSettings& settings, bool pooled_last);

    void refresh();
    /// x (R, D) -> y (N, D) of pooled rows, or (R, D). x must live until backward().
    void forward(MutView x, MutView y, const Sequences& sequences, Saved& saved, bool keep);
    /// grad_y, whose content is lost -> grad_x (R, D) written.
    void backward(MutView grad_y, MutView grad_x, const Sequences& sequences, Saved& saved);

  private:
    /// Blocks [first, end) that keep nothing; x stays as it is. Takes memory that is the caller's
    /// to give back.
    void pass(std::size_t first, std::size_t end, MutView x, MutView y, const Sequences& sequences);
    /// The same, keeping all that backward() needs. The result of the last one is left out where
    /// `y` is empty.
    void keep(std::size_t first, std::size_t end, MutView x, MutView y, const Sequences& sequences,
              Saved& saved);

    const TowerContext& context_;
    std::vector<TrainedBlock> blocks_;
};

} // namespace clip::trainer

// SPDX-License-Identifier: MIT
#include "trainer/trained_transformer.hpp"

#include <utility>

#include "base/concat.hpp"

namespace clip::trainer {

TrainedTransformer::TrainedTransformer(const TowerContext& context, const std::string& name,
                                       std::int64_t layers, const BlockSettings& settings,
                                       bool pooled_last)
    : context_(context) {
    blocks_.reserve(static_cast<std::size_t>(layers));
    for (std::int64_t i = 0; i < layers; ++i)
        blocks_.emplace_back(context, concat(name, i, "."), settings,
                             pooled_last && i + 1 == layers);
}

void TrainedTransformer::refresh() {
    for (TrainedBlock& block : blocks_)
        block.refresh();
}

void TrainedTransformer::forward(MutView x, MutView y, const Sequences& sequences, Saved& saved,
                                 bool keep) {
    Arena& arena = context_.arena;
    const Arena::Mark mark = arena.mark();
    saved.blocks.assign(blocks_.size(), {});
    // Without keeping, blocks read one buffer and write another, in turn.
    MutView spare = keep || blocks_.size() < 2 ? MutView{} : arena.take(x.shape);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
        const bool last = i + 1 == blocks_.size();
        MutView next = last ? y : keep ? arena.take(x.shape) : spare;
        blocks_[i].forward(x, next, sequences, saved.blocks[i], keep);
        if (!keep && !last)
            spare = x;
        x = next;
    }
    if (!keep)
        arena.rewind(mark);
}

void TrainedTransformer::backward(MutView grad_y, MutView grad_x, const Sequences& sequences,
                                  Saved& saved) {
    for (std::size_t i = blocks_.size(); i-- > 0;) {
        // Only the last block's result may have another shape than its input.
        blocks_[i].backward(i + 1 == blocks_.size() ? grad_y : grad_x, grad_x, sequences,
                            saved.blocks[i]);
    }
}

} // namespace clip::trainer

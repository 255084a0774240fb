// SPDX-License-Identifier: MIT
#include "trainer/trained_transformer.hpp"

#include <algorithm>
#include <array>

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

void TrainedTransformer::pass(std::size_t first, std::size_t end, MutView x, MutView y,
                              const Sequences& sequences) {
    std::array<MutView, 2> turns; // blocks read one and write the other
    TrainedBlock::Saved saved;
    for (std::size_t i = first; i < end; ++i) {
        MutView& turn = turns[i % 2];
        if (i + 1 < end && turn.empty())
            turn = context_.arena.take(x.shape);
        const MutView next = i + 1 == end ? y : turn;
        blocks_[i].forward(x, next, sequences, saved, false);
        x = next;
    }
}

void TrainedTransformer::keep(std::size_t first, std::size_t end, MutView x, MutView y,
                              const Sequences& sequences, Saved& saved) {
    for (std::size_t i = first; i < end; ++i) {
        const MutView next = i + 1 == end ? y : context_.arena.take(x.shape);
        blocks_[i].forward(x, next, sequences, saved.blocks[i], true);
        x = next;
    }
}

void TrainedTransformer::forward(MutView x, MutView y, const Sequences& sequences, Saved& saved,
                                 bool keeps) {
    Arena& arena = context_.arena;
    saved.blocks.assign(blocks_.size(), {});
    saved.segments.clear();
    if (keeps && !context_.frugal) {
        keep(0, blocks_.size(), x, y, sequences, saved);
        return;
    }
    const std::size_t step = keeps ? kBlocksOfSegment : blocks_.size();
    for (std::size_t first = 0; first < blocks_.size(); first += step) {
        const std::size_t end = std::min(first + step, blocks_.size());
        saved.segments.push_back(x);
        const MutView next = end == blocks_.size() ? y : arena.take(x.shape);
        const Arena::Mark mark = arena.mark();
        pass(first, end, x, next, sequences);
        arena.rewind(mark);
        x = next;
    }
}

void TrainedTransformer::backward(MutView grad_y, MutView grad_x, const Sequences& sequences,
                                  Saved& saved) {
    const std::size_t step = context_.frugal ? kBlocksOfSegment : blocks_.size();
    for (std::size_t end = blocks_.size(); end > 0;) {
        const std::size_t first = (end - 1) / step * step;
        const Arena::Mark mark = context_.arena.mark();
        if (context_.frugal)
            keep(first, end, saved.segments[first / step], {}, sequences, saved);
        for (std::size_t i = end; i-- > first;)
            // Only the last block's result may have another shape than its input.
            blocks_[i].backward(i + 1 == blocks_.size() ? grad_y : grad_x, grad_x, sequences,
                                saved.blocks[i]);
        context_.arena.rewind(mark);
        end = first;
    }
}

} // namespace clip::trainer

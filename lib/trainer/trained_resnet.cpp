// SPDX-License-Identifier: MIT
#include "trainer/trained_resnet.hpp"

#include <algorithm>
#include <utility>

#include "base/concat.hpp"
#include "ops/avg_pool.hpp"
#include "ops/channels_last.hpp"

namespace clip::trainer {

namespace {

MutView shaped(MutView view, const Shape& shape) {
    view.shape = shape;
    return view;
}

/// (N, height, width, C) as (N, height * width, C)
MutView as_tokens(MutView map) {
    return shaped(map, Shape{map.shape[0], map.shape[1] * map.shape[2], map.shape[3]});
}

} // namespace

TrainedResnet::TrainedResnet(const TowerContext& context, const ModelConfig& config)
    : context_(context), pool_(context, "visual.attnpool.", static_cast<int>(config.vision.heads)) {
    stem_.reserve(3);
    for (int i = 1; i <= 3; ++i)
        stem_.emplace_back(context, concat("visual.conv", i), concat("visual.bn", i),
                           ConvSettings{.stride = i == 1 ? 2 : 1, .padding = 1});
    for (int stage = 0; stage < 4; ++stage)
        for (std::int64_t block = 0; block < config.vision.stages[static_cast<std::size_t>(stage)];
             ++block)
            blocks_.emplace_back(context, concat("visual.layer", stage + 1, ".", block, "."),
                                 stage > 0 && block == 0 ? 2 : 1);
}

void TrainedResnet::refresh() {
    for (TrainedConv& conv : stem_)
        conv.refresh();
    for (TrainedBottleneck& block : blocks_)
        block.refresh();
    pool_.refresh();
}

void TrainedResnet::compute_stem(bool update_running) {
    const Shape& shape = pictures_.shape;
    const MutView input = context_.arena.take(Shape{shape[0], shape[2], shape[3], shape[1]});
    ops::channels_last(context_.backend, {.x = pictures_, .y = input});
    ConstView x = input;
    stem_saved_.clear();
    for (TrainedConv& conv : stem_) {
        stem_saved_.push_back(conv.forward({.x = x, .update_running = update_running}));
        x = stem_saved_.back().y;
    }
}

void TrainedResnet::take_turns() {
    for (MutView& turn : turns_)
        turn = context_.arena.take(Shape{largest_map_});
}

MutView TrainedResnet::next_turn(const Shape& shape) {
    std::swap(turns_[0], turns_[1]);
    return shaped(turns_[0], shape);
}

void TrainedResnet::forward(ConstView pictures, MutView features, bool keep) {
    Arena& arena = context_.arena;
    mark_ = arena.mark();
    pictures_ = pictures;
    Shape shape{pictures.shape[0], pictures.shape[2], pictures.shape[3], pictures.shape[1]};
    for (const TrainedConv& conv : stem_)
        shape = conv.output_shape(shape);
    const Shape behind_stem{shape[0], shape[1] / 2, shape[2] / 2, shape[3]};
    largest_map_ = behind_stem.numel();
    shape = behind_stem;
    for (const TrainedBottleneck& block : blocks_) {
        shape = block.output_shape(shape);
        largest_map_ = std::max(largest_map_, shape.numel());
    }
    if (!keep)
        take_turns();
    const auto next_map = [&](const Shape& wanted) {
        return keep ? arena.take(wanted) : next_turn(wanted);
    };

    // The stem's maps are the largest of all; a frugal tower computes them again.
    stem_result_ = next_map(behind_stem);
    const Arena::Mark stem = arena.mark();
    compute_stem(keep);
    ops::avg_pool(context_.backend, {.x = stem_saved_.back().y, .window = 2, .y = stem_result_});
    if (!keep || context_.frugal)
        arena.rewind(stem);

    MutView x = stem_result_;
    saved_.assign(blocks_.size(), {});
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
        const MutView y = next_map(blocks_[i].output_shape(x.shape));
        blocks_[i].forward(x, y, saved_[i], keep);
        x = y;
    }
    pool_.forward(as_tokens(x), features, keep);
    if (!keep)
        arena.rewind(mark_);
}

void TrainedResnet::stem_backward(MutView grad_pooled) {
    Arena& arena = context_.arena;
    const Arena::Mark mark = arena.mark();
    if (context_.frugal)
        compute_stem(false);
    MutView grad = arena.take(stem_saved_.back().y.shape);
    ops::avg_pool_backward(context_.backend, {.grad_y = grad_pooled, .window = 2, .grad_x = grad});
    for (std::size_t i = stem_.size(); i-- > 0;) {
        // Pictures have no gradient.
        const MutView grad_x = i == 0 ? MutView{} : arena.take(stem_saved_[i].x.shape);
        stem_[i].backward({.grad_y = grad, .grad_x = grad_x}, stem_saved_[i]);
        grad = grad_x;
    }
    arena.rewind(mark);
}

void TrainedResnet::backward(ConstView grad_features) {
    Arena& arena = context_.arena;
    // Gradients of maps take turns in two places.
    take_turns();
    MutView grad = next_turn(saved_.back().y.shape);
    pool_.backward(grad_features, as_tokens(grad));
    for (std::size_t i = blocks_.size(); i-- > 0;) {
        const MutView grad_x = next_turn(saved_[i].x.shape);
        blocks_[i].backward(grad, grad_x, saved_[i]);
        grad = grad_x;
    }
    stem_backward(grad);
    saved_.clear();
    stem_saved_.clear();
    arena.rewind(mark_);
}

} // namespace clip::trainer

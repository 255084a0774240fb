// SPDX-License-Identifier: MIT
#include "trainer/contrastive_learner.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "ops/l2_normalize.hpp"
#include "ops/similarity.hpp"
#include "tensor/staging.hpp"
#include "trainer/row_views.hpp"
#include "trainer/slices.hpp"

namespace clip::trainer {

namespace {

// The multiplier of the similarities is never larger, lest training become unstable (Radford et al.
// 2021, section 2.5).
const float kLargestLogScale = std::log(100.0F);

/// The tokens up to the first end mark: behind it nothing counts under a causal mask.
std::span<const std::int32_t> to_end_mark(const TokenizedText& text) {
    const auto end = std::max_element(text.ids.begin(), text.ids.end());
    return {text.ids.data(), static_cast<std::size_t>(end - text.ids.begin()) + 1};
}

bool any_trained(const Parameters& parameters, std::string_view prefix) {
    return std::any_of(parameters.all().begin(), parameters.all().end(), [&](const auto& info) {
        return info.trained && info.name.starts_with(prefix);
    });
}

} // namespace

void ContrastiveLearner::Side::reserve(std::int64_t rows, std::int64_t all_rows, std::int64_t dim,
                                       Memory& memory) {
    const auto grow = [&](Tensor& tensor, std::int64_t elements) {
        clip::reserve(tensor, elements, DType::f32, memory);
    };
    for (Tensor* tensor : {&features, &unit, &grad})
        grow(*tensor, rows * dim);
    for (Tensor* tensor : {&norms, &log_sum_exp, &target})
        grow(*tensor, rows);
    grow(all, all_rows * dim);
    grow(all_log_sum_exp, all_rows);
}

ContrastiveLearner::ContrastiveLearner(const LearnerParts& parts)
    : parts_(parts), vision_(make_trained_vision_tower(parts.context, parts.config)),
      text_(make_trained_text_tower(parts.context, parts.config)),
      encoder_(parts.context, parts.config),
      vision_is_trained_(any_trained(parts.context.parameters, "visual.")) {}

void ContrastiveLearner::refresh() {
    vision_->refresh();
    text_->refresh();
    encoder_.refresh();
    inference_.reset();
}

void ContrastiveLearner::begin(const LearnerBatch& batch, bool alone) {
    rows_ = std::ssize(batch.texts);
    all_rows_ = alone ? rows_ : static_cast<std::int64_t>(batch.global_rows);
    first_ = alone ? 0 : static_cast<std::int64_t>(batch.first_row);
    alone_ = alone;
    scale_ = std::exp(parts_.context.parameters.scalar("logit_scale"));
    loss_scale_ = batch.loss_scale;
    for (Side* side : {&pictures_, &texts_})
        side->reserve(rows_, all_rows_, parts_.config.embed_dim, parts_.context.backend.memory());
    cut_.clear();
    for (const TokenizedText& text : batch.texts)
        cut_.push_back(to_end_mark(text));
}

void ContrastiveLearner::forward_slice(const LearnerBatch& slice, Pass pass) {
    const std::int64_t dim = parts_.config.embed_dim, count = std::ssize(slice.texts);
    const std::int64_t first = static_cast<std::int64_t>(slice.first_row) - first_;
    const bool keep = pass != Pass::first;
    if (pass != Pass::second || vision_is_trained_)
        vision_->forward(slice_pictures_.there(slice.pictures, parts_.context.backend.memory()),
                         rows_of(pictures_.features, first, count, dim), keep);
    text_->forward(
        std::span(cut_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)),
        rows_of(texts_.features, first, count, dim), keep);
}

void ContrastiveLearner::backward_slice(const LearnerBatch& slice) {
    const std::int64_t dim = parts_.config.embed_dim, count = std::ssize(slice.texts);
    const std::int64_t first = static_cast<std::int64_t>(slice.first_row) - first_;
    text_->backward(rows_of(texts_.grad, first, count, dim));
    vision_->backward(rows_of(pictures_.grad, first, count, dim));
}

void ContrastiveLearner::gather(const Tensor& own, Tensor& all, std::int64_t width) {
    const auto mine = static_cast<std::size_t>(rows_ * width);
    Communicator& ranks = parts_.ranks;
    if (alone_ || ranks.size() == 1) {
        own.memory().copy(all.view().data, own.view().data, mine * sizeof(float));
        return;
    }
    HostCopy from(part_of(const_cast<Tensor&>(own).view(), 0, Shape{rows_ * width}), own.memory());
    HostCopy to(part_of(all.view(), 0, Shape{all_rows_ * width}), all.memory());
    const auto size = static_cast<std::int64_t>(ranks.size());
    std::vector<std::size_t> counts;
    for (std::int64_t r = 0; r < size; ++r)
        counts.push_back(
            static_cast<std::size_t>((all_rows_ * (r + 1) / size - all_rows_ * r / size) * width));
    ranks.all_gather({from.f32(), mine}, {to.f32(), static_cast<std::size_t>(all_rows_ * width)},
                     counts);
    to.put_back();
}

void ContrastiveLearner::exchange(const LearnerBatch& batch) {
    const std::int64_t dim = parts_.config.embed_dim;
    for (Side* side : {&pictures_, &texts_}) {
        ops::l2_normalize(parts_.context.backend, {.x = rows_of(side->features, 0, rows_, dim),
                                                   .y = rows_of(side->unit, 0, rows_, dim),
                                                   .norms = vector_of(side->norms, 0, rows_)});
        gather(side->unit, side->all, dim);
    }
    find_groups(batch);
}

double ContrastiveLearner::learn(const LearnerBatch& batch, std::size_t slices) {
    begin(batch, false);
    const std::int64_t dim = parts_.config.embed_dim;
    Arena& arena = parts_.context.arena;
    const Arena::Mark mark = arena.mark();
    const bool whole = slices_of(batch, slices, parts_.ranks) == 1;
    for_slices(batch, slices, parts_.ranks, [&](const LearnerBatch& slice) {
        forward_slice(slice, whole ? Pass::only : Pass::first);
    });
    exchange(batch);
    const double loss = loss_of_batch(true);
    if (!std::isfinite(loss)) { // the caller ends the run
        arena.rewind(mark);
        return loss;
    }
    for (Side* side : {&pictures_, &texts_})
        ops::l2_normalize_backward(parts_.context.backend,
                                   {.y = rows_of(side->unit, 0, rows_, dim),
                                    .norms = vector_of(side->norms, 0, rows_),
                                    .grad_y = rows_of(side->grad, 0, rows_, dim),
                                    .grad_x = rows_of(side->grad, 0, rows_, dim)});
    for_slices(batch, slices, parts_.ranks, [&](const LearnerBatch& slice) {
        if (!whole)
            forward_slice(slice, Pass::second);
        backward_slice(slice);
    });
    return loss;
}

double ContrastiveLearner::evaluate(const LearnerBatch& batch) {
    begin(batch, true);
    const std::int64_t dim = parts_.config.embed_dim;
    encode(batch.pictures, rows_of(pictures_.unit, 0, rows_, dim));
    encode(batch.texts, rows_of(texts_.unit, 0, rows_, dim));
    for (Side* side : {&pictures_, &texts_})
        gather(side->unit, side->all, dim);
    find_groups(batch);
    return loss_of_batch(false);
}

ContrastiveLearner::Inference& ContrastiveLearner::inference() {
    if (!inference_) {
        const ParametersSource source(parts_.context.parameters);
        Backend& backend = parts_.context.backend;
        inference_.emplace();
        inference_->text =
            std::make_unique<TextTower>(backend, source, parts_.config, parts_.context.storage);
    }
    return *inference_;
}

void ContrastiveLearner::encode(ConstView pictures, MutView unit) {
    encoder_.encode(pictures, unit);
    ops::l2_normalize(parts_.context.backend, {.x = unit, .y = unit});
}

void ContrastiveLearner::encode(std::span<const TokenizedText> texts, MutView unit) {
    Backend& backend = parts_.context.backend;
    TextTower& tower = *inference().text;
    std::vector<std::span<const std::int32_t>> cut;
    for (const TokenizedText& text : texts)
        cut.push_back(tower.tokens_that_count(text.ids));
    const std::int64_t at_once =
        std::min(64 * backend.batch_factor(), std::max<std::int64_t>(std::ssize(cut), 1));
    Tensor pooled(Shape{at_once, tower.width()}, DType::f32, backend.memory());
    for (std::int64_t first = 0; first < std::ssize(cut); first += at_once) {
        const std::int64_t count = std::min(at_once, std::ssize(cut) - first);
        const MutView part = rows_of(pooled, 0, count, tower.width());
        tower.forward(backend,
                      std::span(cut).subspan(static_cast<std::size_t>(first),
                                             static_cast<std::size_t>(count)),
                      part);
        tower.project(backend, part,
                      part_of(unit, first * unit.shape[1], Shape{count, unit.shape[1]}));
    }
    ops::l2_normalize(backend, {.x = unit, .y = unit});
}

void ContrastiveLearner::score(ConstView pictures, std::span<const TokenizedText> captions,
                               MutView scores) {
    const std::int64_t dim = parts_.config.embed_dim, count = std::ssize(captions);
    Inference& towers = inference();
    Memory& memory = parts_.context.backend.memory();
    const bool known =
        std::equal(captions.begin(), captions.end(), towers.captions.begin(), towers.captions.end(),
                   [](const TokenizedText& a, const TokenizedText& b) { return a.ids == b.ids; });
    if (!known) {
        towers.classes = Tensor(Shape{std::max<std::int64_t>(count, 1), dim}, DType::f32, memory);
        encode(captions, rows_of(towers.classes, 0, count, dim));
        towers.captions.assign(captions.begin(), captions.end());
    }
    Tensor unit(Shape{pictures.shape[0], dim}, DType::f32, memory);
    encode(pictures, unit);
    const StagedOutput staged(scores, memory);
    ops::similarity(parts_.context.backend,
                    {.a = unit, .b = rows_of(towers.classes, 0, count, dim), .y = staged});
    staged.finish();
}

void ContrastiveLearner::clip_parameters() {
    Parameters& parameters = parts_.context.parameters;
    if (!parameters.info("logit_scale").trained)
        return;
    const float log_scale = parameters.scalar("logit_scale");
    const float clipped = std::clamp(log_scale, 0.0F, kLargestLogScale);
    if (clipped != log_scale)
        parameters.set_scalar("logit_scale", clipped);
}

} // namespace clip::trainer

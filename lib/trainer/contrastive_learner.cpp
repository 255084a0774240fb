// SPDX-License-Identifier: MIT
#include "trainer/contrastive_learner.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "ops/contrastive_loss.hpp"
#include "ops/l2_normalize.hpp"
#include "ops/similarity.hpp"
#include "trainer/slices.hpp"

namespace clip::trainer {

namespace {

// The multiplier of the similarities is never larger, lest training become unstable (Radford et al.
// 2021, section 2.5).
const float kLargestLogScale = std::log(100.0F);

void grow(Tensor& tensor, std::int64_t elements) {
    if (tensor.numel() < elements)
        tensor = Tensor(Shape{elements});
}

MutView rows_of(Tensor& tensor, std::int64_t first, std::int64_t count, std::int64_t width) {
    return {tensor.f32() + first * width, Shape{count, width}, DType::f32, Device{}};
}

MutView vector_of(Tensor& tensor, std::int64_t first, std::int64_t count) {
    return {tensor.f32() + first, Shape{count}, DType::f32, Device{}};
}

double dot(const float* a, const float* b, std::int64_t count) {
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i)
        sum += static_cast<double>(a[i]) * b[i];
    return sum;
}

/// x (N, D) -> sum (D)
void sum_rows(ConstView x, std::span<double> sum) {
    std::fill(sum.begin(), sum.end(), 0.0);
    const float* from = x.f32();
    for (std::int64_t r = 0; r < x.shape[0]; ++r)
        for (double& element : sum)
            element += *from++;
}

/// The tokens up to the first end mark: behind it nothing counts under a causal mask.
std::span<const std::int32_t> to_end_mark(const TokenizedText& text) {
    const auto end = std::max_element(text.ids.begin(), text.ids.end());
    return {text.ids.data(), static_cast<std::size_t>(end - text.ids.begin()) + 1};
}

/// A hash of some tokens in pieces that float32 holds exactly, so that it travels with vectors.
std::array<float, 4> hash_of(std::span<const std::int32_t> ids) {
    std::uint64_t hash = 14695981039346656037U; // FNV-1a
    for (const std::int32_t id : ids)
        hash = (hash ^ static_cast<std::uint32_t>(id)) * 1099511628211U;
    hash ^= hash >> 29U;
    std::array<float, 4> pieces{};
    for (std::size_t i = 0; i < 4; ++i)
        pieces[i] = static_cast<float>((hash >> (16U * i)) & 0xffffU);
    return pieces;
}

bool any_trained(const Parameters& parameters, std::string_view prefix) {
    return std::any_of(parameters.all().begin(), parameters.all().end(), [&](const auto& info) {
        return info.trained && info.name.starts_with(prefix);
    });
}

} // namespace

void ContrastiveLearner::Side::reserve(std::int64_t rows, std::int64_t all_rows, std::int64_t dim) {
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
    scale_ = std::exp(*parts_.context.parameters.weight("logit_scale").f32());
    for (Side* side : {&pictures_, &texts_})
        side->reserve(rows_, all_rows_, parts_.config.embed_dim);
    cut_.clear();
    for (const TokenizedText& text : batch.texts)
        cut_.push_back(to_end_mark(text));
}

void ContrastiveLearner::forward_slice(const LearnerBatch& slice, Pass pass) {
    const std::int64_t dim = parts_.config.embed_dim, count = std::ssize(slice.texts);
    const std::int64_t first = static_cast<std::int64_t>(slice.first_row) - first_;
    const bool keep = pass != Pass::first;
    if (pass != Pass::second || vision_is_trained_)
        vision_->forward(slice.pictures, rows_of(pictures_.features, first, count, dim), keep);
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
    if (alone_) {
        std::copy_n(own.f32(), mine, all.f32());
        return;
    }
    Communicator& ranks = parts_.ranks;
    const auto size = static_cast<std::int64_t>(ranks.size());
    std::vector<std::size_t> counts;
    for (std::int64_t r = 0; r < size; ++r)
        counts.push_back(
            static_cast<std::size_t>((all_rows_ * (r + 1) / size - all_rows_ * r / size) * width));
    ranks.all_gather({own.f32(), mine}, {all.f32(), static_cast<std::size_t>(all_rows_ * width)},
                     counts);
}

void ContrastiveLearner::find_groups(const LearnerBatch& batch) {
    groups_.clear();
    group_of_.clear();
    if (!parts_.settings.equal_captions_match)
        return;
    Tensor own(Shape{rows_ * 4}), all(Shape{all_rows_ * 4});
    for (std::int64_t r = 0; r < std::ssize(batch.texts); ++r) {
        const auto hash = hash_of(cut_[static_cast<std::size_t>(r)]);
        std::copy(hash.begin(), hash.end(), own.f32() + r * 4);
    }
    gather(own, all, 4);
    std::map<std::array<float, 4>, std::size_t> seen;
    for (std::int64_t r = 0; r < all_rows_; ++r) {
        std::array<float, 4> hash{};
        std::copy_n(all.f32() + r * 4, 4, hash.begin());
        const auto [place, is_new] = seen.try_emplace(hash, groups_.size());
        if (is_new)
            groups_.emplace_back();
        groups_[place->second].push_back(r);
        group_of_.push_back(place->second);
    }
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

bool ContrastiveLearner::soft() const {
    return parts_.settings.label_smoothing > 0 || groups_.size() < group_of_.size();
}

void ContrastiveLearner::target_of_row(const Side& other, std::span<const double> all,
                                       std::int64_t row, std::span<double> sum) const {
    const std::int64_t dim = std::ssize(sum);
    const double smoothing = parts_.settings.label_smoothing;
    for (std::size_t d = 0; d < sum.size(); ++d)
        sum[d] = smoothing / static_cast<double>(all_rows_) * all[d];
    const auto add = [&](std::int64_t column, double weight) {
        const float* from = other.all.f32() + column * dim;
        for (std::int64_t d = 0; d < dim; ++d)
            sum[static_cast<std::size_t>(d)] += weight * from[d];
    };
    if (group_of_.empty()) {
        add(row, 1.0 - smoothing);
    } else {
        const auto& group = groups_[group_of_[static_cast<std::size_t>(row)]];
        for (const std::int64_t column : group)
            add(column, (1.0 - smoothing) / static_cast<double>(group.size()));
    }
}

double ContrastiveLearner::contrastive(bool gradients) {
    Backend& backend = parts_.context.backend;
    const std::int64_t dim = parts_.config.embed_dim;
    for (const auto& [side, other] : {std::pair{&pictures_, &texts_}, {&texts_, &pictures_}}) {
        ops::contrastive_rows(backend, {.rows = rows_of(side->unit, 0, rows_, dim),
                                        .columns = rows_of(other->all, 0, all_rows_, dim),
                                        .first = first_,
                                        .scale = scale_,
                                        .log_sum_exp = vector_of(side->log_sum_exp, 0, rows_),
                                        .target = vector_of(side->target, 0, rows_)});
        gather(side->log_sum_exp, side->all_log_sum_exp, 1);
    }
    const double weight = 1.0 / (2.0 * static_cast<double>(all_rows_));
    double loss = 0, grad_log_scale = 0;
    std::vector<double> centre(static_cast<std::size_t>(dim)), all(centre.size());
    for (const auto& [side, other] : {std::pair{&pictures_, &texts_}, {&texts_, &pictures_}}) {
        if (soft())
            sum_rows(rows_of(other->all, 0, all_rows_, dim), all);
        if (gradients)
            ops::contrastive_rows_backward(
                backend, {.rows = rows_of(side->unit, 0, rows_, dim),
                          .columns = rows_of(other->all, 0, all_rows_, dim),
                          .first = first_,
                          .scale = scale_,
                          .row_log_sum_exp = vector_of(side->log_sum_exp, 0, rows_),
                          .column_log_sum_exp = vector_of(other->all_log_sum_exp, 0, all_rows_),
                          .weight = static_cast<float>(weight),
                          .grad_rows = rows_of(side->grad, 0, rows_, dim)});
        for (std::int64_t r = 0; r < rows_; ++r) {
            const float* unit = side->unit.f32() + r * dim;
            float* grad = side->grad.f32() + r * dim;
            double target = side->target.f32()[r];
            if (soft()) {
                // The loss is linear in the targets, so that what the op did for the row's own
                // column alone is put right afterwards.
                const float* own = other->all.f32() + (first_ + r) * dim;
                target_of_row(*other, all, first_ + r, centre);
                double product = 0;
                for (std::int64_t d = 0; d < dim; ++d) {
                    const double c = centre[static_cast<std::size_t>(d)];
                    product += unit[d] * c;
                    if (gradients)
                        grad[d] += static_cast<float>(2.0 * weight * scale_ * (own[d] - c));
                }
                target = scale_ * product;
            }
            loss += weight * (side->log_sum_exp.f32()[r] - target);
            if (gradients && side == &pictures_)
                grad_log_scale += dot(unit, grad, dim);
        }
    }
    if (gradients)
        add_scalar_gradient("logit_scale", grad_log_scale);
    return loss;
}

double ContrastiveLearner::siglip(bool gradients) {
    Backend& backend = parts_.context.backend;
    const std::int64_t dim = parts_.config.embed_dim;
    const float bias = *parts_.context.parameters.weight("logit_bias").f32();
    const auto weight = static_cast<float>(1.0 / static_cast<double>(all_rows_));
    double loss = 0, grad_log_scale = 0, grad_bias = 0;
    for (const auto& [side, other] : {std::pair{&pictures_, &texts_}, {&texts_, &pictures_}}) {
        const bool first_side = side == &pictures_;
        ops::siglip_rows(
            backend, {.rows = rows_of(side->unit, 0, rows_, dim),
                      .columns = rows_of(other->all, 0, all_rows_, dim),
                      .first = first_,
                      .scale = scale_,
                      .bias = bias,
                      .weight = weight,
                      .loss = vector_of(side->target, 0, rows_),
                      .grad_rows = gradients ? rows_of(side->grad, 0, rows_, dim) : MutView{},
                      .grad_bias = gradients ? vector_of(side->log_sum_exp, 0, rows_) : MutView{}});
        for (std::int64_t r = 0; r < rows_; ++r) {
            const float* unit = side->unit.f32() + r * dim;
            float* grad = side->grad.f32() + r * dim;
            double row_loss = side->target.f32()[r];
            double row_bias = gradients ? side->log_sum_exp.f32()[r] : 0.0;
            if (!group_of_.empty())
                // -log s(l) = -log s(-l) - l: another column that matches changes the loss by -l.
                for (const std::int64_t c :
                     groups_[group_of_[static_cast<std::size_t>(first_ + r)]]) {
                    if (c == first_ + r)
                        continue;
                    const float* column = other->all.f32() + c * dim;
                    row_loss -= weight * (scale_ * dot(unit, column, dim) + bias);
                    row_bias -= weight;
                    for (std::int64_t d = 0; gradients && d < dim; ++d)
                        grad[d] -= weight * scale_ * column[d];
                }
            if (!first_side)
                continue; // the other side sees the same pairs
            loss += row_loss;
            grad_bias += row_bias;
            if (gradients)
                grad_log_scale += dot(unit, grad, dim);
        }
        if (!gradients)
            break;
    }
    if (gradients) {
        add_scalar_gradient("logit_scale", grad_log_scale);
        add_scalar_gradient("logit_bias", grad_bias);
    }
    return loss;
}

double ContrastiveLearner::loss_of_batch(bool gradients) {
    double loss =
        parts_.settings.objective == Objective::siglip ? siglip(gradients) : contrastive(gradients);
    if (!alone_)
        parts_.ranks.all_reduce_sum(std::span<double>(&loss, 1));
    return loss;
}

void ContrastiveLearner::add_scalar_gradient(const char* name, double value) {
    const MutView grad = parts_.context.parameters.grad(name);
    if (!grad.empty())
        *grad.f32() += static_cast<float>(value);
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
        inference_->text = std::make_unique<TextTower>(backend, source, parts_.config, DType::f32);
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
    constexpr std::int64_t kTextsAtOnce = 64;
    Tensor pooled(Shape{kTextsAtOnce, tower.width()});
    for (std::int64_t first = 0; first < std::ssize(cut); first += kTextsAtOnce) {
        const std::int64_t count = std::min(kTextsAtOnce, std::ssize(cut) - first);
        const MutView part = rows_of(pooled, 0, count, tower.width());
        tower.forward(backend,
                      std::span(cut).subspan(static_cast<std::size_t>(first),
                                             static_cast<std::size_t>(count)),
                      part);
        MutView out{unit.f32() + first * unit.shape[1], Shape{count, unit.shape[1]}, DType::f32,
                    Device{}};
        tower.project(backend, part, out);
    }
    ops::l2_normalize(backend, {.x = unit, .y = unit});
}

void ContrastiveLearner::score(ConstView pictures, std::span<const TokenizedText> captions,
                               MutView scores) {
    const std::int64_t dim = parts_.config.embed_dim, count = std::ssize(captions);
    Inference& towers = inference();
    const bool known =
        std::equal(captions.begin(), captions.end(), towers.captions.begin(), towers.captions.end(),
                   [](const TokenizedText& a, const TokenizedText& b) { return a.ids == b.ids; });
    if (!known) {
        towers.classes = Tensor(Shape{std::max<std::int64_t>(count, 1), dim});
        encode(captions, rows_of(towers.classes, 0, count, dim));
        towers.captions.assign(captions.begin(), captions.end());
    }
    Tensor unit(Shape{pictures.shape[0], dim});
    encode(pictures, unit);
    ops::similarity(parts_.context.backend,
                    {.a = unit, .b = rows_of(towers.classes, 0, count, dim), .y = scores});
}

void ContrastiveLearner::clip_parameters() {
    if (parts_.context.parameters.info("logit_scale").trained) {
        float& log_scale = *parts_.context.parameters.weight("logit_scale").f32();
        log_scale = std::clamp(log_scale, 0.0F, kLargestLogScale);
    }
}

} // namespace clip::trainer

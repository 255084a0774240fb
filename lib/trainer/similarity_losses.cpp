// SPDX-License-Identifier: MIT
// What ContrastiveLearner does between the towers' forward and backward: from both sides' vectors
// to the loss and its gradients.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

#include "ops/contrastive_loss.hpp"
#include "ops/row_dots.hpp"
#include "tensor/staging.hpp"
#include "trainer/contrastive_learner.hpp"
#include "trainer/row_views.hpp"

namespace clip::trainer {

namespace {

double dot(const float* a, const float* b, std::int64_t count) {
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i)
        sum += static_cast<double>(a[i]) * b[i];
    return sum;
}

/// rows (N, D) -> sum (D)
void sum_rows(const float* from, std::int64_t rows, std::span<double> sum) {
    std::fill(sum.begin(), sum.end(), 0.0);
    for (std::int64_t r = 0; r < rows; ++r)
        for (double& element : sum)
            element += *from++;
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

} // namespace

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

bool ContrastiveLearner::soft() const {
    return parts_.settings.label_smoothing > 0 || groups_.size() < group_of_.size();
}

void ContrastiveLearner::target_of_row(const float* other, std::span<const double> all,
                                       std::int64_t row, std::span<double> sum) const {
    const std::int64_t dim = std::ssize(sum);
    const double smoothing = parts_.settings.label_smoothing;
    for (std::size_t d = 0; d < sum.size(); ++d)
        sum[d] = smoothing / static_cast<double>(all_rows_) * all[d];
    const auto add = [&](std::int64_t column, double weight) {
        const float* from = other + column * dim;
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

double ContrastiveLearner::unit_times_grad(Side& side) {
    const std::int64_t dim = parts_.config.embed_dim;
    std::vector<double> dots(static_cast<std::size_t>(rows_));
    ops::row_dots(parts_.context.backend, {.x = rows_of(side.unit, 0, rows_, dim),
                                           .y = rows_of(side.grad, 0, rows_, dim),
                                           .dots = dots});
    return std::accumulate(dots.begin(), dots.end(), 0.0);
}

void ContrastiveLearner::soften(Side& side, Side& other, std::span<double> targets,
                                double grad_weight) {
    // The loss is linear in the targets, so that what the op did for a row's own column alone is
    // put right afterwards; on the host, which has the batch's vectors for it.
    Memory& memory = parts_.context.backend.memory();
    const std::int64_t dim = parts_.config.embed_dim;
    HostCopy units(rows_of(side.unit, 0, rows_, dim), memory);
    HostCopy columns(rows_of(other.all, 0, all_rows_, dim), memory);
    HostCopy grads(grad_weight > 0 ? rows_of(side.grad, 0, rows_, dim) : MutView{}, memory);
    std::vector<double> centre(static_cast<std::size_t>(dim)), all(centre.size());
    sum_rows(columns.f32(), all_rows_, all);
    for (std::int64_t r = 0; r < rows_; ++r) {
        const float* unit = units.f32() + r * dim;
        const float* own = columns.f32() + (first_ + r) * dim;
        float* grad = grads.f32() + (grad_weight > 0 ? r * dim : 0);
        target_of_row(columns.f32(), all, first_ + r, centre);
        double product = 0;
        for (std::int64_t d = 0; d < dim; ++d) {
            const double c = centre[static_cast<std::size_t>(d)];
            product += unit[d] * c;
            if (grad_weight > 0)
                grad[d] += static_cast<float>(2.0 * grad_weight * scale_ * (own[d] - c));
        }
        targets[static_cast<std::size_t>(r)] = scale_ * product;
    }
    grads.put_back();
}

double ContrastiveLearner::contrastive(bool gradients) {
    Backend& backend = parts_.context.backend;
    Memory& memory = backend.memory();
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
    const double grad_weight = weight * loss_scale_;
    double loss = 0;
    for (const auto& [side, other] : {std::pair{&pictures_, &texts_}, {&texts_, &pictures_}}) {
        if (gradients)
            ops::contrastive_rows_backward(
                backend, {.rows = rows_of(side->unit, 0, rows_, dim),
                          .columns = rows_of(other->all, 0, all_rows_, dim),
                          .first = first_,
                          .scale = scale_,
                          .row_log_sum_exp = vector_of(side->log_sum_exp, 0, rows_),
                          .column_log_sum_exp = vector_of(other->all_log_sum_exp, 0, all_rows_),
                          .weight = static_cast<float>(grad_weight),
                          .grad_rows = rows_of(side->grad, 0, rows_, dim)});
        HostCopy log_sum_exp(vector_of(side->log_sum_exp, 0, rows_), memory);
        HostCopy own(vector_of(side->target, 0, rows_), memory);
        std::vector<double> targets(own.f32(), own.f32() + rows_);
        if (soft())
            soften(*side, *other, targets, gradients ? grad_weight : 0);
        for (std::int64_t r = 0; r < rows_; ++r)
            loss += weight * (log_sum_exp.f32()[r] - targets[static_cast<std::size_t>(r)]);
    }
    if (gradients)
        parts_.context.parameters.add_to_scalar_grad(
            "logit_scale", static_cast<float>(unit_times_grad(pictures_)));
    return loss;
}
void ContrastiveLearner::add_matches(Side& side, Side& other, float bias, float weight,
                                     bool gradients) {
    // -log s(l) = -log s(-l) - l: another column that matches changes the loss by -l.
    Memory& memory = parts_.context.backend.memory();
    const std::int64_t dim = parts_.config.embed_dim;
    HostCopy units(rows_of(side.unit, 0, rows_, dim), memory);
    HostCopy columns(rows_of(other.all, 0, all_rows_, dim), memory);
    HostCopy grads(gradients ? rows_of(side.grad, 0, rows_, dim) : MutView{}, memory);
    for (std::int64_t r = 0; r < rows_; ++r)
        for (const std::int64_t c : groups_[group_of_[static_cast<std::size_t>(first_ + r)]]) {
            if (c == first_ + r)
                continue;
            const float* column = columns.f32() + c * dim;
            const auto at = static_cast<std::size_t>(r);
            row_loss_[at] -= weight * (scale_ * dot(units.f32() + r * dim, column, dim) + bias);
            row_bias_[at] -= weight;
            for (std::int64_t d = 0; gradients && d < dim; ++d)
                grads.f32()[r * dim + d] -= weight * scale_ * column[d];
        }
    grads.put_back();
}

double ContrastiveLearner::siglip(bool gradients) {
    Backend& backend = parts_.context.backend;
    Parameters& parameters = parts_.context.parameters;
    const std::int64_t dim = parts_.config.embed_dim;
    const float bias = parameters.scalar("logit_bias");
    // What is scaled here is the loss, and all with it: by a power of two, which rounds nothing.
    const auto weight = static_cast<float>(1.0 / static_cast<double>(all_rows_)) * loss_scale_;
    double loss = 0, grad_bias = 0;
    for (const auto& [side, other] : {std::pair{&pictures_, &texts_}, {&texts_, &pictures_}}) {
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
        HostCopy losses(vector_of(side->target, 0, rows_), backend.memory());
        row_loss_.assign(losses.f32(), losses.f32() + rows_);
        row_bias_.assign(static_cast<std::size_t>(rows_), 0.0);
        if (gradients) {
            HostCopy biases(vector_of(side->log_sum_exp, 0, rows_), backend.memory());
            row_bias_.assign(biases.f32(), biases.f32() + rows_);
        }
        if (!group_of_.empty())
            add_matches(*side, *other, bias, weight, gradients);
        if (side == &pictures_) { // the other side sees the same pairs
            loss = std::accumulate(row_loss_.begin(), row_loss_.end(), 0.0);
            grad_bias = std::accumulate(row_bias_.begin(), row_bias_.end(), 0.0);
        }
        if (!gradients)
            break;
    }
    if (gradients) {
        parameters.add_to_scalar_grad("logit_scale",
                                      static_cast<float>(unit_times_grad(pictures_)));
        parameters.add_to_scalar_grad("logit_bias", static_cast<float>(grad_bias));
    }
    return loss / loss_scale_;
}

double ContrastiveLearner::loss_of_batch(bool gradients) {
    double loss =
        parts_.settings.objective == Objective::siglip ? siglip(gradients) : contrastive(gradients);
    if (!alone_)
        parts_.ranks.all_reduce_sum(std::span<double>(&loss, 1));
    return loss;
}

} // namespace clip::trainer

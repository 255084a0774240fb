// SPDX-License-Identifier: MIT
// What ContrastiveLearner does between the towers' forward and backward: from both sides' vectors
// to the loss and its gradients.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "ops/contrastive_loss.hpp"
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

/// x (N, D) -> sum (D)
void sum_rows(ConstView x, std::span<double> sum) {
    std::fill(sum.begin(), sum.end(), 0.0);
    const float* from = x.f32();
    for (std::int64_t r = 0; r < x.shape[0]; ++r)
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

} // namespace clip::trainer

// SPDX-License-Identifier: MIT
#include "trainer/parameters.hpp"

#include <algorithm>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "model/weights.hpp"

namespace clip::trainer {

namespace {

constexpr std::int64_t kAlign = 16; // elements: one cache line

Tensor zeros(std::int64_t count) {
    Tensor block(Shape{std::max<std::int64_t>(count, 1)});
    std::fill_n(block.f32(), block.numel(), 0.0F);
    return block;
}

} // namespace

bool is_running_statistic(std::string_view name) {
    return name.ends_with(".running_mean") || name.ends_with(".running_var");
}

Parameters::Parameters(const ModelConfig& config, std::span<const ExtraParameter> extra,
                       std::span<const std::string> locked) {
    for (const WeightSpec& spec : weight_specs(config)) {
        ParameterInfo info{.name = spec.name, .shape = spec.shape};
        info.trained = !is_running_statistic(spec.name) &&
                       std::none_of(locked.begin(), locked.end(), [&](const std::string& prefix) {
                           return spec.name.starts_with(prefix);
                       });
        infos_.push_back(std::move(info));
    }
    for (const ExtraParameter& spec : extra)
        infos_.push_back({.name = spec.name, .shape = spec.shape});
    std::stable_partition(infos_.begin(), infos_.end(),
                          [](const ParameterInfo& info) { return info.trained; });
    for (std::size_t i = 0; i < infos_.size(); ++i) {
        ParameterInfo& info = infos_[i];
        info.decays = info.shape.rank() >= 2;
        info.first = total_;
        total_ += (info.shape.numel() + kAlign - 1) / kAlign * kAlign;
        if (info.trained)
            trained_ = total_;
        index_.emplace(info.name, i);
    }
    if (trained_ == 0)
        fail(ErrorCode::invalid_argument, "prepare training: every parameter is locked");
    weights_ = zeros(total_);
    grads_ = zeros(trained_);
    means_ = zeros(trained_);
    squares_ = zeros(trained_);
    for (const ParameterInfo& info : infos_)
        if (info.trained)
            adamw_.push_back({.weight = weights_.f32() + info.first,
                              .grad = grads_.f32() + info.first,
                              .mean = means_.f32() + info.first,
                              .square = squares_.f32() + info.first,
                              .count = info.shape.numel(),
                              .decays = info.decays});
}

bool Parameters::has(std::string_view name) const {
    return index_.contains(name);
}

const ParameterInfo& Parameters::info(std::string_view name) const {
    const auto found = index_.find(name);
    expect(found != index_.end(), "a parameter that is asked for is there");
    return infos_[found->second];
}

MutView Parameters::weight(std::string_view name) {
    const ParameterInfo& found = info(name);
    return {weights_.f32() + found.first, found.shape, DType::f32, Device{}};
}

ConstView Parameters::weight(std::string_view name) const {
    const ParameterInfo& found = info(name);
    return {weights_.f32() + found.first, found.shape, DType::f32, Device{}};
}

MutView Parameters::grad(std::string_view name) {
    const ParameterInfo& found = info(name);
    if (!found.trained)
        return {};
    return {grads_.f32() + found.first, found.shape, DType::f32, Device{}};
}

void Parameters::zero_grads() {
    std::fill_n(grads_.f32(), trained_, 0.0F);
}

std::int64_t Parameters::count(bool trained_only) const {
    std::int64_t sum = 0;
    for (const ParameterInfo& info : infos_)
        if (info.trained || !trained_only)
            sum += info.shape.numel();
    return sum;
}

Parameter ParametersSource::get(const std::string& name) const {
    return Parameter(parameters_.weight(name));
}

} // namespace clip::trainer

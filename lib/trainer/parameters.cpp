// SPDX-License-Identifier: MIT
#include "trainer/parameters.hpp"

#include <algorithm>
#include <utility>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "model/weights.hpp"

namespace clip::trainer {

namespace {

constexpr std::int64_t kAlign = 16; // elements: one cache line

Tensor zeros(std::int64_t count, Memory& memory) {
    Tensor block(Shape{std::max<std::int64_t>(count, 1)}, DType::f32, memory);
    memory.clear(block.view().data, block.bytes());
    return block;
}

} // namespace

bool is_running_statistic(std::string_view name) {
    return name.ends_with(".running_mean") || name.ends_with(".running_var");
}

Parameters::Parameters(const ModelConfig& config, std::span<const ExtraParameter> extra,
                       std::span<const std::string> locked, Memory& memory) {
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
    weights_ = zeros(total_, memory);
    grads_ = zeros(trained_, memory);
    means_ = zeros(trained_, memory);
    squares_ = zeros(trained_, memory);
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
    return part_of(weights_.view(), found.first, found.shape);
}

ConstView Parameters::weight(std::string_view name) const {
    const ParameterInfo& found = info(name);
    return part_of(weights_.view(), found.first, found.shape);
}

MutView Parameters::grad(std::string_view name) {
    const ParameterInfo& found = info(name);
    if (!found.trained)
        return {};
    return part_of(grads_.view(), found.first, found.shape);
}

void Parameters::zero_grads() {
    memory().clear(grads_.view().data, static_cast<std::size_t>(trained_) * sizeof(float));
}

const Tensor& Parameters::tensor(Block which) const {
    switch (which) {
    case Block::grads:
        return grads_;
    case Block::means:
        return means_;
    case Block::squares:
        return squares_;
    case Block::weights:
        break;
    }
    return weights_;
}

MutView Parameters::block(Block which) {
    return part_of(const_cast<Tensor&>(tensor(which)).view(), 0, Shape{elements(which)});
}

ConstView Parameters::block(Block which) const {
    return part_of(tensor(which).view(), 0, Shape{elements(which)});
}

std::span<const float> Parameters::on_host(Block which) const {
    expect(on_host(), "parameters on a device are no span of the host");
    return {tensor(which).f32(), static_cast<std::size_t>(elements(which))};
}

std::span<float> Parameters::on_host(Block which) {
    const std::span<const float> all = std::as_const(*this).on_host(which);
    return {const_cast<float*>(all.data()), all.size()};
}

void Parameters::set(std::string_view name, const std::function<void(MutView)>& write) {
    if (on_host()) {
        write(weight(name));
        return;
    }
    Tensor made(info(name).shape);
    write(made);
    write_elements(weight(name), 0, made.numel(), made.f32(), memory());
}

float Parameters::scalar(std::string_view name) const {
    float value = 0;
    read_elements(weight(name), 0, 1, &value, memory());
    return value;
}

void Parameters::set_scalar(std::string_view name, float value) {
    write_elements(weight(name), 0, 1, &value, memory());
}

void Parameters::add_to_scalar_grad(std::string_view name, float value) {
    const MutView there = grad(name);
    if (there.empty())
        return;
    float sum = 0;
    read_elements(there, 0, 1, &sum, memory());
    sum += value;
    write_elements(there, 0, 1, &sum, memory());
}

std::int64_t Parameters::count(bool trained_only) const {
    std::int64_t sum = 0;
    for (const ParameterInfo& info : infos_)
        if (info.trained || !trained_only)
            sum += info.shape.numel();
    return sum;
}

void read_elements(const ConstView& from, std::int64_t first, std::int64_t count, float* to,
                   Memory& memory) {
    const ConstView part = part_of(from, first, Shape{count});
    (from.device.is_cpu() ? host_memory() : memory).download(to, part.data, part.bytes());
}

void write_elements(const MutView& to, std::int64_t first, std::int64_t count, const void* from,
                    Memory& memory) {
    const MutView part = part_of(to, first, Shape{count});
    (to.device.is_cpu() ? host_memory() : memory).upload(part.data, from, part.bytes());
}

Parameter ParametersSource::get(const std::string& name) const {
    const ConstView weight = parameters_.weight(name);
    return parameters_.on_host() ? Parameter(weight)
                                 : Parameter(download(weight, parameters_.memory()));
}

} // namespace clip::trainer

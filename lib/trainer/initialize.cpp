// SPDX-License-Identifier: MIT
#include "trainer/initialize.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string_view>

namespace clip::trainer {

namespace {

// What separates these streams from those of the data (train/draws.hpp).
constexpr std::uint64_t kWeightStreams = std::uint64_t{1} << 63U;

void fill(MutView tensor, float value) {
    std::fill_n(tensor.f32(), tensor.numel(), value);
}

double power(std::int64_t base, double exponent) {
    return std::pow(static_cast<double>(base), exponent);
}

/// Standard deviation of a matrix of a transformer of `layers` blocks and `width`.
double block_std(std::string_view name, std::int64_t width, std::int64_t layers) {
    if (name.ends_with("attn.in_proj_weight"))
        return power(width, -0.5);
    if (name.ends_with("mlp.c_fc.weight"))
        return power(2 * width, -0.5);
    return power(width, -0.5) * power(2 * layers, -0.5); // what is added to the residual stream
}

double matrix_std(const std::string& name, const Shape& shape, const ModelConfig& config) {
    const VisionConfig& vision = config.vision;
    if (name == "token_embedding.weight")
        return 0.02;
    if (name == "positional_embedding")
        return 0.01;
    if (name == "text_projection")
        return power(config.text.width, -0.5);
    if (name.starts_with("transformer.resblocks."))
        return block_std(name, config.text.width, config.text.layers);
    if (name.starts_with("visual.transformer.resblocks."))
        return block_std(name, vision.width, vision.layers);
    if (name == "visual.positional_embedding" || name == "visual.proj")
        return power(vision.width, -0.5);
    if (name.starts_with("visual.attnpool."))
        return power(vision.output_width(), -0.5);
    // A ViT's patches keep the variance of their pixels; behind a ReLU half of it is lost.
    const std::int64_t fan_in = shape.numel() / shape[0];
    return std::sqrt((vision.vit ? 1.0 : 2.0) / static_cast<double>(fan_in));
}

/// Whether a gain belongs to the last batch norm of a bottleneck.
bool is_last_gain(const std::string& name) {
    return name.starts_with("visual.layer") && name.ends_with(".bn3.weight");
}

} // namespace

void fill_normal(MutView tensor, double std, std::uint64_t seed, std::uint64_t stream) {
    RandomStream random(seed, kWeightStreams | stream);
    const auto uniform = [&] { // in (0, 1]
        return (static_cast<double>(random.next()) + 1.0) / 4294967296.0;
    };
    float* out = tensor.f32();
    for (std::int64_t i = 0; i < tensor.numel(); i += 2) {
        const double radius = std * std::sqrt(-2.0 * std::log(uniform()));
        const double angle = 2.0 * std::numbers::pi * uniform();
        out[i] = static_cast<float>(radius * std::cos(angle));
        if (i + 1 < tensor.numel())
            out[i + 1] = static_cast<float>(radius * std::sin(angle));
    }
}

std::uint64_t stream_of(std::string_view name) {
    std::uint64_t hash = 14695981039346656037U; // FNV-1a
    for (const char c : name)
        hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    return hash >> 1U;
}

void initialize_model(Parameters& parameters, const ModelConfig& config, std::uint64_t seed) {
    for (const auto& info : parameters.all()) {
        const std::string& name = info.name;
        parameters.set(name, [&](MutView weight) {
            if (name == "logit_scale")
                fill(weight, static_cast<float>(std::log(1.0 / 0.07)));
            else if (name.ends_with(".running_var"))
                fill(weight, 1.0F);
            else if (name == "visual.class_embedding")
                fill_normal(weight, power(config.vision.width, -0.5), seed, stream_of(name));
            else if (info.shape.rank() >= 2)
                fill_normal(weight, matrix_std(name, info.shape, config), seed, stream_of(name));
            else
                fill(weight, name.ends_with(".weight") && !is_last_gain(name) ? 1.0F : 0.0F);
        });
    }
}

} // namespace clip::trainer

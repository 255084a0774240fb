// SPDX-License-Identifier: MIT
// Small towers whose weights are functions of their names, and what a run of one gives. The Python
// twin of made() is tests/golden/make_trained_towers.py.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/registry.hpp"
#include "trainer/trained_tower.hpp"

namespace clip::test {

/// base + scale * u, u in [-1, 1) from a linear congruential generator seeded by the FNV-1a hash of
/// the name.
inline std::vector<float> made(const std::string& name, std::size_t count, double scale = 1,
                               double base = 0) {
    std::uint64_t state = 14695981039346656037U;
    for (const char c : name)
        state = (state ^ static_cast<unsigned char>(c)) * 1099511628211U;
    std::vector<float> values(count);
    for (float& value : values) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        value =
            static_cast<float>(base + scale * (static_cast<double>(state >> 40U) / 8388608 - 1));
    }
    return values;
}

inline void fill_weights(trainer::Parameters& parameters) {
    for (const trainer::ParameterInfo& info : parameters.all()) {
        const std::int64_t count = info.shape.numel();
        const bool one = info.name.ends_with(".weight") || info.name.ends_with(".running_var");
        const auto values =
            info.shape.rank() >= 2
                ? made(info.name, static_cast<std::size_t>(count),
                       std::sqrt(3.0 / static_cast<double>(count / info.shape[0])))
                : made(info.name, static_cast<std::size_t>(count), 0.25, one ? 1 : 0);
        std::copy(values.begin(), values.end(), parameters.weight(info.name).f32());
    }
}

/// "vit", "vit-gelu", "resnet", and "text", which is "vit"'s other tower.
inline ModelConfig made_config(const std::string& name) {
    ModelConfig config;
    config.embed_dim = 8;
    config.text = {.context_length = 8,
                   .vocab_size = 20,
                   .width = 16,
                   .heads = 2,
                   .layers = 2,
                   .mlp_width = 32};
    config.vision = {
        .image_size = 16, .width = 16, .heads = 2, .layers = 2, .patch_size = 8, .mlp_width = 32};
    if (name == "vit-gelu")
        config.vision.activation = Activation::gelu;
    if (name == "resnet")
        config.vision = {.vit = false,
                         .image_size = 64,
                         .width = 4,
                         .heads = 4,
                         .layers = 0,
                         .patch_size = 0,
                         .mlp_width = 0,
                         .stages = {1, 2, 1, 1}};
    return config;
}

inline std::vector<std::vector<std::int32_t>> made_texts(std::int32_t count) {
    const std::int32_t lengths[] = {3, 8, 5};
    std::vector<std::vector<std::int32_t>> texts;
    for (std::int32_t i = 0; i < count; ++i) {
        std::vector<std::int32_t>& text = texts.emplace_back();
        for (std::int32_t j = 0; j + 1 < lengths[i % 3]; ++j)
            text.push_back((7 * i + 3 * j + 1) % 19);
        text.push_back(19);
    }
    return texts;
}

struct TowerOptions {
    CpuImplementation which = CpuImplementation::automatic;
    std::size_t threads = 1;
    bool frugal = false;
    std::vector<std::string> locked;
};

/// One tower with all it needs.
class MadeTower {
  public:
    explicit MadeTower(const std::string& name, const TowerOptions& options = {})
        : pool_(options.threads), backend_(make_backend(Device{}, pool_, {.cpu = options.which})),
          config(made_config(name)),
          parameters(config, {}, options.locked), context_{*backend_, parameters, arena,
                                                           options.frugal} {
        fill_weights(parameters);
        if (name == "text")
            text_ = trainer::make_trained_text_tower(context_, config);
        else
            vision_ = trainer::make_trained_vision_tower(context_, config);
    }

    Backend& backend() { return *backend_; }
    std::size_t dim() const { return static_cast<std::size_t>(config.embed_dim); }

    /// Features of the made inputs [first, first + count).
    std::vector<float> forward(int first, int count, bool keep) {
        std::vector<float> features(static_cast<std::size_t>(count) * dim());
        const MutView out{features.data(), Shape{count, config.embed_dim}, DType::f32, Device{}};
        if (text_) {
            texts_ = made_texts(first + count);
            spans_.assign(texts_.begin() + first, texts_.end());
            text_->forward(spans_, out, keep);
        } else {
            const std::int64_t side = config.vision.image_size, each = 3 * side * side;
            pictures_ = made("pictures", static_cast<std::size_t>((first + count) * each));
            vision_->forward({pictures_.data() + first * each, Shape{count, 3, side, side},
                              DType::f32, Device{}},
                             out, keep);
        }
        return features;
    }

    /// Of the sum of features times made("probe.features"), whose rows begin with `first`.
    void backward(int first, int count) {
        const auto probe = made("probe.features", static_cast<std::size_t>(first + count) * dim());
        const ConstView grad{probe.data() + static_cast<std::size_t>(first) * dim(),
                             Shape{count, config.embed_dim}, DType::f32, Device{}};
        if (text_)
            text_->backward(grad);
        else
            vision_->backward(grad);
    }

    void refresh() {
        if (text_)
            text_->refresh();
        else
            vision_->refresh();
    }

    std::vector<float> grads() {
        const auto all = parameters.grads();
        return {all.begin(), all.end()};
    }
    std::vector<float> weights() {
        const auto all = parameters.weights();
        return {all.begin(), all.end()};
    }

  private:
    ThreadPool pool_;
    std::unique_ptr<Backend> backend_;

  public:
    ModelConfig config;
    trainer::Parameters parameters;
    Arena arena;

  private:
    trainer::TowerContext context_;
    std::unique_ptr<trainer::TrainedVisionTower> vision_;
    std::unique_ptr<trainer::TrainedTextTower> text_;
    std::vector<float> pictures_;
    std::vector<std::vector<std::int32_t>> texts_;
    std::vector<std::span<const std::int32_t>> spans_;
};

} // namespace clip::test

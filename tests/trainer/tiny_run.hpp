// SPDX-License-Identifier: MIT
// A model small enough to check every gradient, with weights and pictures that
// tests/golden/make_objectives.py computes, too.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/cases.hpp"
#include "trainer/learner.hpp"
#include "trainer/parameters.hpp"

namespace clip::test {

/// Numbers in -0.5..0.5, a function of name and place.
inline std::vector<double> hashed(std::string_view name, std::int64_t count) {
    std::uint32_t seed = 2166136261U;
    for (const char byte : name)
        seed = (seed ^ static_cast<unsigned char>(byte)) * 16777619U;
    std::vector<double> out;
    for (std::int64_t i = 0; i < count; ++i) {
        std::uint32_t x = seed + static_cast<std::uint32_t>(i) * 0x9E3779B9U;
        x = (x ^ (x >> 16U)) * 0x85EBCA6BU;
        x = (x ^ (x >> 13U)) * 0xC2B2AE35U;
        x ^= x >> 16U;
        out.push_back(x * 0x1p-32 - 0.5);
    }
    return out;
}

inline const ModelConfig& tiny_config() {
    static const ModelConfig config = [] {
        ModelConfig tiny;
        tiny.embed_dim = 12;
        tiny.vision = {.vit = true,
                       .image_size = 8,
                       .width = 16,
                       .heads = 2,
                       .layers = 1,
                       .patch_size = 4,
                       .mlp_width = 32,
                       .stages = {},
                       .activation = Activation::quick_gelu};
        tiny.text = {.context_length = 10,
                     .vocab_size = 40,
                     .width = 16,
                     .heads = 2,
                     .layers = 2,
                     .mlp_width = 32,
                     .activation = Activation::gelu};
        return tiny;
    }();
    return config;
}

constexpr std::int32_t kStart = 38, kEnd = 39;

inline TokenizedText marked(const std::vector<std::int32_t>& tokens) {
    TokenizedText text;
    text.ids = {kStart};
    text.ids.insert(text.ids.end(), tokens.begin(), tokens.end());
    text.ids.push_back(kEnd);
    return text;
}

/// Those of the golden file: the longest that fits, the shortest, tokens that come twice.
inline const std::vector<TokenizedText>& golden_captions() {
    static const std::vector<TokenizedText> all = {marked({3, 7, 7, 12}), marked({1}),
                                                   marked({20, 21, 22, 23, 24, 25, 26, 27}),
                                                   marked({5, 3}), marked({7, 30, 2, 30, 30, 11})};
    return all;
}

/// Pairs without end: each picture is noise, each caption one of many.
struct Pairs {
    std::vector<float> pixels;
    std::vector<TokenizedText> texts;

    explicit Pairs(std::int64_t count, const std::string& name = "pictures") {
        for (const double u : hashed(name, count * 3 * 8 * 8))
            pixels.push_back(static_cast<float>(3 * u));
        const std::vector<double> tokens = hashed("captions", count * 8);
        for (std::int64_t i = 0; i < count; ++i) {
            std::vector<std::int32_t> ids;
            for (std::int64_t t = 0; t < 1 + i % 8; ++t)
                ids.push_back(static_cast<std::int32_t>(
                    (tokens[static_cast<std::size_t>(i * 8 + t)] + 0.5) * kStart));
            texts.push_back(marked(ids));
        }
    }
    ConstView pictures() const { return pictures(0, texts.size()); }
    ConstView pictures(std::size_t first, std::size_t count) const {
        return {pixels.data() + first * 3 * 8 * 8, Shape{static_cast<std::int64_t>(count), 3, 8, 8},
                DType::f32, Device{}};
    }
    trainer::LearnerBatch batch() const { return rows(0, texts.size()); }
    /// A rank's part.
    trainer::LearnerBatch rows(std::size_t first, std::size_t count) const {
        return {.pictures = pictures(first, count),
                .texts = std::span(texts).subspan(first, count),
                .global_rows = texts.size(),
                .first_row = first};
    }
};

inline Pairs golden_pairs() {
    Pairs pairs(5);
    pairs.texts = golden_captions();
    return pairs;
}

/// A learner and all that it needs.
class TinyRun {
  public:
    TinyRun(trainer::Objective objective, Backend& backend, Communicator& ranks,
            bool frugal = false)
        : parameters_(make_parameters(objective)), context_{.backend = backend,
                                                            .parameters = parameters_,
                                                            .arena = arena_,
                                                            .frugal = frugal} {
        for (const trainer::ParameterInfo& info : parameters_.all()) {
            const bool gain =
                info.name.find("ln_") != std::string::npos && info.name.ends_with("weight");
            const std::vector<double> values = hashed(info.name, info.shape.numel());
            const MutView weight = parameters_.weight(info.name);
            for (std::size_t i = 0; i < values.size(); ++i)
                weight.f32()[i] = static_cast<float>(gain ? 1 + 0.4 * values[i] : 0.6 * values[i]);
        }
        const trainer::LearnerParts parts{.context = context_,
                                          .config = tiny_config(),
                                          .ranks = ranks,
                                          .settings = {.objective = objective}};
        learner_ = trainer::make_learner(parts);
    }

    trainer::Parameters& parameters() { return parameters_; }
    trainer::Learner& learner() { return *learner_; }
    const Arena& arena() const { return arena_; }
    /// Gradients of one batch: all of them, padding included.
    std::vector<float> gradients(const trainer::LearnerBatch& batch, std::size_t slices = 1) {
        parameters_.zero_grads();
        learner_->learn(batch, slices);
        const auto grads = parameters_.grads();
        return {grads.begin(), grads.end()};
    }

  private:
    static trainer::Parameters make_parameters(trainer::Objective objective) {
        const auto extra = trainer::extra_parameters(tiny_config(), {.objective = objective});
        return {tiny_config(), extra, trainer::locked_by_objective(objective)};
    }

    trainer::Parameters parameters_;
    Arena arena_;
    trainer::TowerContext context_;
    std::unique_ptr<trainer::Learner> learner_;
};

} // namespace clip::test

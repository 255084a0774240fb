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
#include "trainer/rank_sums.hpp"

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

/// The same with a ModifiedResnet of 64 x 64 pixels, which has every kind of bottleneck.
inline const ModelConfig& tiny_resnet_config() {
    static const ModelConfig config = [] {
        ModelConfig tiny = tiny_config();
        tiny.vision = {.vit = false,
                       .image_size = 64,
                       .width = 4,
                       .heads = 4,
                       .layers = 0,
                       .patch_size = 0,
                       .mlp_width = 0,
                       .stages = {1, 2, 1, 1}};
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
    std::int64_t side;
    std::vector<float> pixels;
    std::vector<TokenizedText> texts;

    explicit Pairs(std::int64_t count, const std::string& name = "pictures",
                   std::int64_t picture_side = 8)
        : side(picture_side) {
        for (const double u : hashed(name, count * 3 * side * side))
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
        const auto each = static_cast<std::size_t>(3 * side * side);
        return {pixels.data() + first * each,
                Shape{static_cast<std::int64_t>(count), 3, side, side}, DType::f32, Device{}};
    }
    trainer::LearnerBatch batch() const { return rows(0, texts.size()); }
    /// A rank's part.
    trainer::LearnerBatch rows(std::size_t first, std::size_t count) const {
        return {.pictures = pictures(first, count),
                .texts = std::span(texts).subspan(first, count),
                .global_rows = texts.size(),
                .first_row = first};
    }
    /// The part that the loader gives to a rank.
    trainer::LearnerBatch of_rank(std::size_t rank, std::size_t ranks) const {
        const std::size_t first = texts.size() * rank / ranks;
        return rows(first, texts.size() * (rank + 1) / ranks - first);
    }
};

inline Pairs golden_pairs() {
    Pairs pairs(5);
    pairs.texts = golden_captions();
    return pairs;
}

/// A learner and all that it needs.
struct TinyOptions {
    trainer::ObjectiveSettings objective;
    const ModelConfig& config = tiny_config();
    bool frugal = false;
    std::vector<std::string> locked;
    DType storage = DType::f32; ///< what products are computed in
};

class TinyRun {
  public:
    TinyRun(trainer::Objective objective, Backend& backend, Communicator& ranks,
            bool frugal = false)
        : TinyRun({.objective = {.objective = objective}, .frugal = frugal, .locked = {}}, backend,
                  ranks) {}
    TinyRun(const TinyOptions& options, Backend& backend, Communicator& ranks)
        : config_(options.config), parameters_(make_parameters(options, backend.memory())),
          arena_(backend.memory()), sums_(ranks), context_{.backend = backend,
                                                           .parameters = parameters_,
                                                           .arena = arena_,
                                                           .frugal = options.frugal,
                                                           .across = sums_.get(),
                                                           .storage = options.storage} {
        for (const trainer::ParameterInfo& info : parameters_.all()) {
            const bool gain = (info.shape.rank() == 1 && info.name.ends_with(".weight")) ||
                              info.name.ends_with(".running_var");
            const std::vector<double> values = hashed(info.name, info.shape.numel());
            parameters_.set(info.name, [&](MutView weight) {
                for (std::size_t i = 0; i < values.size(); ++i)
                    weight.f32()[i] =
                        static_cast<float>(gain ? 1 + 0.4 * values[i] : 0.6 * values[i]);
            });
        }
        const trainer::LearnerParts parts{
            .context = context_, .config = config_, .ranks = ranks, .settings = options.objective};
        learner_ = trainer::make_learner(parts);
    }

    trainer::Parameters& parameters() { return parameters_; }
    trainer::Learner& learner() { return *learner_; }
    Arena& arena() { return arena_; }
    const trainer::TowerContext& context() const { return context_; }
    /// Gradients of one batch: all of them, padding included.
    std::vector<float> gradients(const trainer::LearnerBatch& batch, std::size_t slices = 1) {
        parameters_.zero_grads();
        learner_->learn(batch, slices);
        return block(trainer::Block::grads);
    }
    /// All of a block, wherever it is.
    std::vector<float> block(trainer::Block which) const {
        const ConstView all = parameters_.block(which);
        std::vector<float> out(static_cast<std::size_t>(all.numel()));
        trainer::read_elements(all, 0, all.numel(), out.data(), parameters_.memory());
        return out;
    }

  private:
    static trainer::Parameters make_parameters(const TinyOptions& options, Memory& memory) {
        const auto extra = trainer::extra_parameters(options.config, options.objective);
        auto locked = trainer::locked_by_objective(options.objective.objective);
        locked.insert(locked.end(), options.locked.begin(), options.locked.end());
        return {options.config, extra, locked, memory};
    }

    const ModelConfig& config_;
    trainer::Parameters parameters_;
    Arena arena_;
    trainer::RankSums sums_;
    trainer::TowerContext context_;
    std::unique_ptr<trainer::Learner> learner_;
};

} // namespace clip::test

// SPDX-License-Identifier: MIT
#include "trainer/predictive_parameters.hpp"

#include <algorithm>
#include <cmath>

#include "trainer/initialize.hpp"

namespace clip::trainer {

namespace {

constexpr double kHeadDeviation = 0.01;

void fill_zero(MutView out) {
    std::fill_n(out.f32(), out.numel(), 0.0F);
}

} // namespace

std::vector<ExtraParameter> bag_of_words_parameters(const ModelConfig& config) {
    return {{"bag_of_words.weight", Shape{config.text.vocab_size, config.embed_dim}},
            {"bag_of_words.bias", Shape{config.text.vocab_size}}};
}

std::vector<ExtraParameter> caption_parameters(const ModelConfig& config) {
    return {{"caption.prefix.weight", Shape{config.text.width, config.embed_dim}},
            {"caption.prefix.bias", Shape{config.text.width}}};
}

void initialize_bag_of_words_parameters(Parameters& parameters, std::uint64_t seed) {
    parameters.set("bag_of_words.weight", [&](MutView weight) {
        fill_normal(weight, kHeadDeviation, seed, stream_of("bag_of_words.weight"));
    });
    parameters.set("bag_of_words.bias", fill_zero);
}

void initialize_caption_parameters(Parameters& parameters, std::uint64_t seed) {
    parameters.set("caption.prefix.weight", [&](MutView weight) {
        fill_normal(weight, 1 / std::sqrt(static_cast<double>(weight.shape[1])), seed,
                    stream_of("caption.prefix.weight"));
    });
    parameters.set("caption.prefix.bias", fill_zero);
}

std::vector<std::string> locked_by_objective(Objective objective) {
    if (objective == Objective::bag_of_words)
        return {"token_embedding.", "positional_embedding", "transformer.",
                "ln_final.",        "text_projection",      "logit_scale"};
    if (objective == Objective::caption)
        return {"text_projection", "logit_scale"};
    return {};
}

} // namespace clip::trainer

// SPDX-License-Identifier: MIT
#include "trainer/predictive_parameters.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/random.hpp"

namespace clip::trainer {

namespace {

constexpr double kHeadDeviation = 0.01;
// Streams of the seed that nothing else of training draws from: "bags", "capt" in ASCII.
constexpr std::uint64_t kBagOfWordsStream = 0x62616773, kCaptionStream = 0x63617074;

/// Normal numbers in pairs (Box & Muller 1958), each a function of its place.
void fill_normal(MutView out, double deviation, std::uint64_t seed, std::uint64_t stream) {
    RandomStream random(seed, stream);
    const auto uniform = [&random] { return (random.next() + 0.5) * 0x1p-32; };
    for (std::int64_t i = 0; i < out.numel(); i += 2) {
        const double radius = deviation * std::sqrt(-2 * std::log(uniform()));
        const double angle = 2 * std::numbers::pi * uniform();
        out.f32()[i] = static_cast<float>(radius * std::cos(angle));
        if (i + 1 < out.numel())
            out.f32()[i + 1] = static_cast<float>(radius * std::sin(angle));
    }
}

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
    fill_normal(parameters.weight("bag_of_words.weight"), kHeadDeviation, seed, kBagOfWordsStream);
    fill_zero(parameters.weight("bag_of_words.bias"));
}

void initialize_caption_parameters(Parameters& parameters, std::uint64_t seed) {
    const MutView weight = parameters.weight("caption.prefix.weight");
    fill_normal(weight, 1 / std::sqrt(static_cast<double>(weight.shape[1])), seed, kCaptionStream);
    fill_zero(parameters.weight("caption.prefix.bias"));
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

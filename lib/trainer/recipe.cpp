// SPDX-License-Identifier: MIT
#include "trainer/recipe.hpp"

#include <array>
#include <charconv>

#include "base/concat.hpp"

namespace clip::trainer {

namespace {

/// The shortest spelling that reads back as the same number.
std::string text_of(double value) {
    std::array<char, 32> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
    return {buffer.data(), end};
}

} // namespace

std::vector<std::string> locked_prefixes(const Recipe& recipe) {
    std::vector<std::string> locked = locked_by_objective(recipe.objective.objective);
    if (recipe.lock_image)
        locked.emplace_back("visual.");
    return locked;
}

Recipe default_recipe(const ModelConfig& config) {
    Recipe recipe;
    if (!config.vision.vit) {
        recipe.beta2 = 0.999;
        recipe.eps = 1e-8;
    }
    return recipe;
}

std::map<std::string, std::string> recipe_settings(const Recipe& recipe) {
    const ObjectiveSettings& objective = recipe.objective;
    std::map<std::string, std::string> settings{
        {"epochs", concat(recipe.epochs)},
        {"batch-size", concat(recipe.batch_size)},
        {"lr", text_of(recipe.learning_rate)},
        {"warmup", concat(recipe.warmup)},
        {"weight-decay", text_of(recipe.weight_decay)},
        {"beta1", text_of(recipe.beta1)},
        {"beta2", text_of(recipe.beta2)},
        {"eps", text_of(recipe.eps)},
        {"grad-clip", text_of(recipe.grad_clip)},
        {"seed", concat(recipe.seed)},
        {"objective", std::string(objective_name(objective.objective))},
        {"label-smoothing", text_of(objective.label_smoothing)},
        {"equal-captions", objective.equal_captions_match ? "together" : "apart"},
        {"lock-image", recipe.lock_image ? "yes" : "no"},
        {"accumulate", concat(recipe.slices)},
        {"shuffle-buffer", concat(recipe.shuffle_buffer)},
        {"average", text_of(recipe.average)}};
    if (recipe.precision != DType::f32) // states from before there was any other go on
        settings["precision"] = recipe.precision == DType::f16 ? "fp16" : "bf16";
    return settings;
}

} // namespace clip::trainer

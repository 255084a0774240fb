// SPDX-License-Identifier: MIT
#include "trainer/learner.hpp"

#include <array>
#include <cmath>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "trainer/bag_of_words_learner.hpp"
#include "trainer/caption_learner.hpp"
#include "trainer/contrastive_learner.hpp"
#include "trainer/predictive_parameters.hpp"

namespace clip::trainer {

namespace {

constexpr std::array<std::string_view, 4> kNames = {"contrastive", "bag-of-words", "caption",
                                                    "siglip"};

} // namespace

std::string_view objective_name(Objective objective) {
    return kNames[static_cast<std::size_t>(objective)];
}

bool scores_are_likelihoods(Objective objective) {
    return objective == Objective::bag_of_words || objective == Objective::caption;
}

Objective parse_objective(std::string_view name) {
    for (std::size_t i = 0; i < kNames.size(); ++i)
        if (kNames[i] == name)
            return static_cast<Objective>(i);
    fail(ErrorCode::invalid_argument,
         concat("choose the objective: no such one (got ", name,
                ", want contrastive, bag-of-words, caption or siglip)"));
}

std::vector<ExtraParameter> extra_parameters(const ModelConfig& config,
                                             const ObjectiveSettings& settings) {
    switch (settings.objective) {
    case Objective::bag_of_words:
        return bag_of_words_parameters(config);
    case Objective::caption:
        return caption_parameters(config);
    case Objective::siglip:
        return {{.name = "logit_bias", .shape = Shape{}}};
    case Objective::contrastive:
        break;
    }
    return {};
}

void initialize_extra(Parameters& parameters, const ModelConfig&, const ObjectiveSettings& settings,
                      std::uint64_t seed) {
    switch (settings.objective) {
    case Objective::bag_of_words:
        initialize_bag_of_words_parameters(parameters, seed);
        break;
    case Objective::caption:
        initialize_caption_parameters(parameters, seed);
        break;
    case Objective::siglip:
        // Zhai et al. 2023, section 3.2: nearly all pairs are none, and the loss begins there.
        parameters.set_scalar("logit_bias", -10.0F);
        parameters.set_scalar("logit_scale", std::log(10.0F));
        break;
    case Objective::contrastive:
        break;
    }
}

std::unique_ptr<Learner> make_learner(const LearnerParts& parts) {
    const ObjectiveSettings& settings = parts.settings;
    if (settings.label_smoothing < 0 || settings.label_smoothing >= 1)
        fail(ErrorCode::invalid_argument,
             concat("smooth labels: out of range (got ", settings.label_smoothing,
                    ", want 0 or more and less than 1)"));
    if (settings.label_smoothing > 0 && settings.objective != Objective::contrastive)
        fail(ErrorCode::invalid_argument, "smooth labels: only the contrastive objective has any");
    switch (settings.objective) {
    case Objective::bag_of_words:
        return make_bag_of_words_learner(parts);
    case Objective::caption:
        return make_caption_learner(parts);
    case Objective::contrastive:
    case Objective::siglip:
        break;
    }
    return std::make_unique<ContrastiveLearner>(parts);
}

} // namespace clip::trainer

// SPDX-License-Identifier: MIT
// What the predictive objectives (bag of words, caption) train beside the model.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.hpp"
#include "trainer/learner.hpp"
#include "trainer/parameters.hpp"

namespace clip::trainer {

/// A linear classifier of features: bag_of_words.weight (V, E), bag_of_words.bias (V).
std::vector<ExtraParameter> bag_of_words_parameters(const ModelConfig& config);
/// From features to the row before the start mark: caption.prefix.weight (D, E),
/// caption.prefix.bias (D), with the text tower's D.
std::vector<ExtraParameter> caption_parameters(const ModelConfig& config);

/// weight: normal, deviation 0.01, so that all tokens begin about as likely; bias: 0.
void initialize_bag_of_words_parameters(Parameters& parameters, std::uint64_t seed);
/// weight: normal, deviation E^-0.5, as the model's own projections; bias: 0.
void initialize_caption_parameters(Parameters& parameters, std::uint64_t seed);

} // namespace clip::trainer

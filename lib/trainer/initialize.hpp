// SPDX-License-Identifier: MIT
// Weights before the first step.
#pragma once

#include <cstdint>

#include "base/random.hpp"
#include "model/config.hpp"
#include "trainer/parameters.hpp"

namespace clip::trainer {

/// Normal numbers of mean 0 (Box & Muller 1958), a function of seed, stream and place.
void fill_normal(MutView tensor, double std, std::uint64_t seed, std::uint64_t stream);

/// The stream of a tensor's numbers: of its name, so that it does not depend on other tensors.
std::uint64_t stream_of(std::string_view name);

/// Every weight of the model: token embedding 0.02, text positions 0.01, attention width^-0.5,
/// what is added to the residual stream width^-0.5 (2 layers)^-0.5, the MLP's first matrix (2
/// width)^-0.5, projections width^-0.5; norms 1 and 0, biases 0; a picture tower's class token and
/// positions width^-0.5; convolutions normal with the fan-in's variance of He et al. 2015; the last
/// batch norm's gain of each bottleneck 0; the temperature 0.07.
/// Source: Radford et al. 2021, section 2.5, after Radford et al. 2019 (GPT-2); the published code
/// of its authors for what the paper does not say.
void initialize_model(Parameters& parameters, const ModelConfig& config, std::uint64_t seed);

} // namespace clip::trainer

// SPDX-License-Identifier: MIT
// What a run will need, worked out before it begins.
#pragma once

#include <cstdint>

#include "trainer/training_run.hpp"

namespace clip::trainer {

/// A batch of training data as far as memory goes.
struct PlannedData {
    std::uint64_t pairs = 0;
    double tokens_per_text = 16; ///< mean over captions, the two marks included
    int ranks = 1;
};

/// Bytes of one rank, and steps. Activations are those of the arena, exactly where texts have as
/// many tokens as was said, and what the loss keeps. A locked picture tower's scratch, and what a
/// validation needs, are left out.
TrainingPlan plan_training(const Recipe& recipe, const RunSettings& settings,
                           const ModelConfig& config, const PlannedData& data);

} // namespace clip::trainer

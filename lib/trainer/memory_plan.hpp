// SPDX-License-Identifier: MIT
// What a run will need, worked out before it begins.
#pragma once

#include <cstdint>

#include "trainer/tower_memory.hpp"
#include "trainer/training_run.hpp"

namespace clip::trainer {

/// A batch of training data as far as memory goes.
struct PlannedData {
    std::uint64_t pairs = 0;
    double tokens_per_text = 16; ///< mean over captions, the two marks included
    int ranks = 1;
};

/// The arena of a backend on `device`, with products in `precision`. No GPU has to be there.
ArenaKind planned_arena(Device device, DType precision);

/// Bytes of one rank, and steps, with all that is trained on `device`. Activations are those of the
/// arena, exactly where texts have as many tokens as was said, and what the loss keeps. A locked
/// picture tower's scratch, and what a validation needs, are left out. A GPU's workspace is that of
/// the backward products of transformers and of logits; a ResNet's is left out.
TrainingPlan plan_training(const Recipe& recipe, const RunSettings& settings,
                           const ModelConfig& config, const PlannedData& data, Device device = {});

} // namespace clip::trainer

// SPDX-License-Identifier: MIT
// clip-train --dry-run: what a run would do and need.
#pragma once

#include <string>

#include "app/train_start.hpp"
#include "trainer/memory_plan.hpp"

namespace clip::app {

struct PlannedRun {
    const TrainStart& start;
    const trainer::Recipe& recipe;
    trainer::PlannedData data;
    trainer::TrainingPlan plan;
    std::size_t threads = 1;
    Device device; ///< whose memory is planned
};

/// Tokens of a caption, the two marks included: the mean over some pairs' first captions. Without
/// a tokenizer (one would be learned) it is guessed from the words.
double mean_tokens(const train::PairSource& pairs, const Tokenizer* tokenizer,
                   std::size_t context_length);

/// A table for people, or one JSON object.
std::string plan_table(const PlannedRun& run);
std::string plan_json(const PlannedRun& run);

} // namespace clip::app

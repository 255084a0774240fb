// SPDX-License-Identifier: MIT
// `clip-model info` and `clip-model check`: what a checkpoint is, and whether it is sound.
#pragma once

#include <ostream>
#include <string>

#include "app/reporter.hpp"
#include "model/checkpoint.hpp"

namespace clip::app {

/// Writes what is known of a checkpoint: as lines "key  value", or as one JSON object with the same
/// keys. Errors: those of writing to `out`.
void print_model_info(const Checkpoint& checkpoint, bool json, std::ostream& out);

/// Reads every byte of the checkpoint at `path`. What is wrong goes to the reporter, one error
/// each; where there is nothing, a line that says so goes to `out`.
void check_model(const std::string& path, std::ostream& out, Reporter& reporter);

} // namespace clip::app

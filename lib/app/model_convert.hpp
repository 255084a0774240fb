// SPDX-License-Identifier: MIT
// `clip-model convert` and `clip-model average`: checkpoints out of checkpoints.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/environment.hpp"
#include "app/reporter.hpp"

namespace clip::app {

/// What both have in common.
struct CheckpointOutput {
    std::string folder;
    std::string layout = "open_clip"; ///< or "hf"
    std::string dtype = "stored";     ///< stored, f32, f16 or bf16; see WriteOptions::dtype
    std::string activation;           ///< quick-gelu or gelu, in place of what checkpoints say
    bool overwrite = false;
};

/// Writes the model `name` (see find_model()) as a folder, with its tokenizer's files as far as
/// they are found where every command looks for them. What was written is noted; that values were
/// rounded, or a tokenizer is missing, is a warning.
/// Errors: those of open_checkpoint(), find_tokenizer() and write_checkpoint().
void convert_model(const std::string& name, const CheckpointOutput& output,
                   const Environment& environment, Reporter& reporter);

/// Writes the average of models of one architecture: every weight, logit_scale and BatchNorm
/// statistics among them, is the mean in float64, rounded once to float32. Of two models the second
/// may have a weight of its own in 0..1 (0.5 where nothing is said) and the first has the rest, as
/// in WiSE-FT (Wortsman et al. 2022); more than two all count alike, as in model soups. The
/// tokenizer is the first one's.
/// Errors: invalid_argument (fewer than two models, a weight for more than two), version_mismatch
/// (architectures that differ: the message names in what), bad_format (a weight that is not
/// finite), and those of convert_model().
void average_models(const std::vector<std::string>& names, std::optional<double> weight,
                    const CheckpointOutput& output, const Environment& environment,
                    Reporter& reporter);

} // namespace clip::app

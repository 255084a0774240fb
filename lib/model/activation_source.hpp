// SPDX-License-Identifier: MIT
#pragma once

#include "model/checkpoint_files.hpp"
#include "model/config.hpp"

namespace clip {

/// Decides between QuickGELU and GELU for weights that come without a configuration, and records
/// where that was read from or what was assumed. No weight tells the two apart, and the wrong one
/// costs several points of accuracy without any error.
///
///  - A TorchScript archive is OpenAI's: QuickGELU.
///  - A training checkpoint of open_clip names its model in its run's name ("...-model_ViT-B-32-
///    quickgelu-...") or in params.txt beside it or one folder up. Without these: assumed
///    QuickGELU, that of the published models, and the note says when it would be wrong.
///  - A plain state dict under OpenAI's names: assumed QuickGELU, that of all published weights.
///  - transformers' names without config.json: assumed QuickGELU, transformers' default.
///  - A file named as open_clip names its own (open_clip_...): assumed GELU.
///
/// `layout` is Checkpoint::layout.
void decide_activation(const LoadedTensors& loaded, const std::string& layout,
                       const CheckpointFiles& files, ModelConfig& config);

} // namespace clip

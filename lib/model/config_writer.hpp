// SPDX-License-Identifier: MIT
// The configuration files of other toolkits, written. What they cannot say is refused by name.
#pragma once

#include <map>
#include <string>

#include "base/dtype.hpp"
#include "model/config.hpp"

namespace clip {

/// Text of files by name.
using TextFiles = std::map<std::string, std::string>;

/// open_clip_config.json, as open_clip's own loader takes it.
/// Errors: unsupported (an epsilon other than 1e-5, towers of different activations, heads or MLP
/// widths that its keys cannot express).
TextFiles open_clip_config_files(const ModelConfig& config);

/// config.json and preprocessor_config.json of transformers' CLIPModel, with weights of `dtype`,
/// and tokenizer_config.json, without which its tokenizer knows no context length.
/// Errors: unsupported (a ResNet).
TextFiles hf_config_files(const ModelConfig& config, DType dtype);

} // namespace clip

// SPDX-License-Identifier: MIT
// The configuration files of other toolkits. What this build does not compute is refused by name.
#pragma once

#include <string>
#include <vector>

#include "model/config.hpp"

namespace clip {

/// Reads transformers' config.json of a CLIPModel, with transformers' defaults for absent keys, and
/// `preprocessor` (preprocessor_config.json) unless it is empty.
/// Errors: not_found, io_failure, bad_format, unsupported.
ModelConfig read_hf_config(const std::string& path, const std::string& preprocessor);

/// Reads open_clip_config.json, with open_clip's defaults for absent keys. Remarks, such as keys
/// that matter in training only, go to `notes`.
/// Errors: not_found, io_failure, bad_format, unsupported.
ModelConfig read_open_clip_config(const std::string& path, std::vector<std::string>& notes);

} // namespace clip

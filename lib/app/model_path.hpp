// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "app/environment.hpp"

namespace clip::app {

/// The checkpoint's folder or file that -m/--model means.
///
/// `name` is, in this order: a path that exists; a model installed with the toolkit
/// (DATA_FOLDER/models/NAME); a model in the Hugging Face cache, such as
/// "openai/clip-vit-base-patch32" (the snapshot that refs/main names, or the only one). Empty means
/// the installed model "default".
/// Errors: not_found (the message lists where it was looked for).
std::string find_model(const std::string& name, const Environment& environment);

} // namespace clip::app

// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "app/environment.hpp"

namespace clip::app {

/// The data folder, PREFIX/share/clip, of the program PREFIX/bin/NAME, so that an installed tree
/// may be moved; `configured` where there is no such folder. A build tree has a link there to the
/// source's. `program` may be empty: not known.
std::string find_data_folder(const std::string& program, const std::string& configured);

/// The checkpoint's folder or file that -m/--model means.
///
/// `name` is, in this order: a path that exists; a model installed with the toolkit
/// (DATA_FOLDER/models/NAME); a model in the Hugging Face cache, such as
/// "openai/clip-vit-base-patch32" (the snapshot that refs/main names, or the only one). Empty means
/// the installed model "default".
/// Errors: not_found (the message lists where it was looked for).
std::string find_model(const std::string& name, const Environment& environment);

} // namespace clip::app

// SPDX-License-Identifier: MIT
// The captions that the content of a .txt or .json file holds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/json_text.hpp"

namespace clip::train {

/// Every line that is not blank, without white space (ASCII) around it and without a byte order
/// mark. Empty where there is none.
std::vector<std::string> captions_of_text(std::string_view content);

/// What a JSON object says under `caption`, or where it has none under `text`: a string, or an
/// array of strings. Empty where it has neither, or none that is not blank.
/// Errors: bad_format, truncated (not a JSON object in UTF-8, another type under these keys).
std::vector<std::string> captions_of_json(std::string_view content);

/// Takes a JSON value that is a string, an array of strings, or null; leaves out what is blank.
/// Errors: bad_format, truncated.
std::vector<std::string> read_captions(io::JsonScanner& scan);

/// Whether there is nothing but ASCII white space.
bool is_blank(std::string_view text);

} // namespace clip::train

// SPDX-License-Identifier: MIT
// One pair of a .jsonl file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace clip::train {

struct JsonPair {
    std::string path;                  ///< raw bytes, never empty
    std::vector<std::string> captions; ///< at least one; of an array none that is blank
};

/// Reads a JSON object with `path` and `text`; text is a string, or an array of strings. Other keys
/// are passed over. A path with the `file:` escape (io/path_escape.hpp) is decoded.
/// Errors: bad_format (not an object in UTF-8, one of the two missing, twice, or of another type),
/// truncated (the object is cut off).
JsonPair parse_json_pair(std::string_view line);

} // namespace clip::train

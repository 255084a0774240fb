// SPDX-License-Identifier: MIT
// One input of a command: a plain line, or a JSON object with carried keys.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace clip::io {

struct InputRecord {
    enum class Kind : std::uint8_t { path, text, embedding };
    Kind kind = Kind::path;
    std::string item;             ///< a path's raw bytes, or a text in UTF-8
    bool has_item = true;         ///< false only for an embedding that names neither path nor text
    bool item_is_text = false;    ///< whether `item` is a text, also for embeddings
    std::vector<float> embedding; ///< finite; not empty for Kind::embedding
    std::string model;            ///< the key `model`, where it was a string
    std::string layer;            ///< "penultimate" where the key `layer` says so, else empty
    std::string extra;            ///< the other members as they came: `"id":7,"b":[1]`
};

struct RecordOptions {
    /// A line whose first byte is `{` is a JSON object. Off for NUL-separated input, where any byte
    /// can begin a path.
    bool json = true;
    /// What a plain line is; also what a JSON record with both `path` and `text` is read as (the
    /// other one is then carried), unless it has an `embedding`: then the first of the two counts.
    bool plain_is_text = false;
    /// Keys that the output writes itself: carried members of these names are dropped, because
    /// a JSON object must not hold a key twice.
    std::span<const std::string_view> own_keys;
};

/// Reads one line (without its separator).
///
/// A path that is written with the `file:` escape (path_escape.hpp) is decoded; a plain line never
/// is. The key `layer` is understood where it is "penultimate", as clip-embed writes it; with
/// another value it is carried, for it is somebody else's. Carried members keep their bytes and
/// order; only line breaks between tokens become spaces. Errors in the result: bad_format (not
/// UTF-8, not JSON, none of the three keys, one of them twice, wrong type, empty path, NUL in an
/// item, an embedding that is empty or not finite in float32), truncated (a JSON object that is cut
/// off).
Result<InputRecord> parse_record(std::string_view line, const RecordOptions& options = {});

/// Begins an output record: `{"path":"a.jpg"` or `{"text":"..."`, then the carried members. The
/// caller appends its own members, each with a comma before it, and `}`.
/// `item` is a path's raw bytes or a text. Errors: bad_format (a text that is not UTF-8).
void begin_json_record(std::string& out, std::string_view item, bool is_text,
                       std::string_view extra);

/// Appends `,"key":` to a record begun as above. `key` needs no escapes.
void append_json_key(std::string& out, std::string_view key);

/// The members of a JSON object's text, without its braces; empty for "" and "{}".
/// Errors: bad_format, truncated.
std::string members_of_object(std::string_view object);

} // namespace clip::io

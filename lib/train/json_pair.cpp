// SPDX-License-Identifier: MIT
#include "train/json_pair.hpp"

#include <optional>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/json_text.hpp"
#include "io/path_escape.hpp"
#include "io/utf8.hpp"
#include "train/caption_text.hpp"

namespace clip::train {

namespace {

std::string read_string_of(io::JsonScanner& scan, const char* key) {
    if (scan.peek() != '"')
        scan.fail_here(concat("\"", key, "\" must be a string, which is not what begins"));
    return scan.read_string();
}

} // namespace

JsonPair parse_json_pair(std::string_view line) {
    const std::size_t valid = io::utf8_valid_prefix(line);
    if (valid != line.size())
        fail(ErrorCode::bad_format, concat("the JSON object is not UTF-8 at column ", valid + 1));
    io::JsonScanner scan(line);
    if (scan.peek() != '{')
        fail(ErrorCode::bad_format, "not a JSON object");
    const auto refuse_second = [](bool there, const char* key) {
        if (there)
            fail(ErrorCode::bad_format, concat("the key \"", key, "\" is there twice"));
    };
    std::optional<std::string> path;
    std::optional<std::vector<std::string>> captions;
    scan.expect('{');
    bool more = !scan.accept('}');
    while (more) {
        scan.skip_space();
        const std::string key = scan.read_string();
        scan.expect(':');
        if (key == "path") {
            refuse_second(path.has_value(), "path");
            path = read_string_of(scan, "path");
        } else if (key == "text") {
            refuse_second(captions.has_value(), "text");
            if (scan.peek() == '[')
                captions = read_captions(scan);
            else
                captions.emplace(1, read_string_of(scan, "text"));
        } else {
            scan.skip_value();
        }
        more = scan.accept(',');
        if (!more)
            scan.expect('}');
    }
    scan.skip_space();
    if (!scan.at_end())
        scan.fail_here("text after the object");
    if (!path || path->empty())
        fail(ErrorCode::bad_format, "no \"path\"");
    if (!captions || captions->empty())
        fail(ErrorCode::bad_format, "no \"text\"");
    JsonPair out{io::path_from_utf8(*path), std::move(*captions)};
    if (out.path.find('\0') != std::string::npos)
        fail(ErrorCode::bad_format, "the path holds a NUL character");
    return out;
}

} // namespace clip::train

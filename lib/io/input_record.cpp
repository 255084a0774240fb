// SPDX-License-Identifier: MIT
#include "io/input_record.hpp"

#include <algorithm>
#include <optional>

#include "base/concat.hpp"
#include "io/json_text.hpp"
#include "io/path_escape.hpp"
#include "io/utf8.hpp"

namespace clip::io {

namespace {

constexpr std::string_view kPenultimate = "penultimate";

/// What a JSON object says before it is decided what the record is.
struct Members {
    std::optional<std::string> path; // as spelt in JSON
    std::optional<std::string> text;
    std::optional<std::vector<float>> embedding;
    bool path_first = false;
    std::string_view path_member; // raw, to be carried when the text is taken
    std::string_view text_member;
    bool has_model = false;
    std::string model;
    std::string layer;
    std::vector<std::string_view> carried;
};

void refuse_second(bool there, const char* key) {
    if (there)
        fail(ErrorCode::bad_format, concat("the JSON record has the key \"", key, "\" twice"));
}

std::string read_string_of(JsonScanner& scan, const char* key) {
    if (scan.peek() != '"')
        scan.fail_here(concat("\"", key, "\" must be a string, which is not what begins"));
    return scan.read_string();
}

/// Reads the value of the key `layer`, if it is one that clip-embed writes; else stays before it.
bool takes_layer(JsonScanner& scan) {
    JsonScanner ahead = scan;
    if (ahead.peek() != '"' || ahead.read_string() != kPenultimate)
        return false;
    scan = ahead;
    return true;
}

Members scan_members(std::string_view line, const RecordOptions& options) {
    Members out;
    JsonScanner scan(line);
    scan.expect('{');
    bool more = !scan.accept('}');
    while (more) {
        scan.skip_space();
        const std::size_t start = scan.position();
        const std::string key = scan.read_string();
        scan.expect(':');
        bool carried = false;
        if (key == "path") {
            refuse_second(out.path.has_value(), "path");
            out.path = read_string_of(scan, "path");
            out.path_first = !out.text;
            out.path_member = line.substr(start, scan.position() - start);
        } else if (key == "text") {
            refuse_second(out.text.has_value(), "text");
            out.text = read_string_of(scan, "text");
            out.text_member = line.substr(start, scan.position() - start);
        } else if (key == "embedding") {
            refuse_second(out.embedding.has_value(), "embedding");
            scan.skip_space();
            scan.read_floats(out.embedding.emplace());
        } else if (key == "model") {
            refuse_second(out.has_model, "model");
            out.has_model = true;
            if (scan.peek() == '"')
                out.model = scan.read_string();
            else
                scan.skip_value();
        } else {
            const bool is_layer = key == "layer" && takes_layer(scan);
            if (is_layer)
                out.layer = kPenultimate;
            else
                scan.skip_value();
            carried = !is_layer && std::find(options.own_keys.begin(), options.own_keys.end(),
                                             key) == options.own_keys.end();
        }
        if (carried)
            out.carried.push_back(line.substr(start, scan.position() - start));
        more = scan.accept(',');
        if (!more)
            scan.expect('}');
    }
    scan.skip_space();
    if (!scan.at_end())
        scan.fail_here("text after the object");
    return out;
}

void check_item(const InputRecord& record) {
    const char* kind = record.item_is_text ? "text" : "path";
    if (!record.item_is_text && record.item.empty())
        fail(ErrorCode::bad_format, "the path is empty");
    if (record.item.find('\0') != std::string::npos)
        fail(ErrorCode::bad_format, concat("the ", kind, " holds a NUL character"));
}

InputRecord parse_json(std::string_view line, const RecordOptions& options) {
    const std::size_t valid = utf8_valid_prefix(line);
    if (valid != line.size())
        fail(ErrorCode::bad_format, concat("the JSON record is not UTF-8 at column ", valid + 1));
    Members members = scan_members(line, options);
    if (!members.path && !members.text && !members.embedding)
        fail(ErrorCode::bad_format,
             "the JSON record has none of the keys \"path\", \"text\" and \"embedding\"");
    InputRecord out;
    out.model = std::move(members.model);
    out.layer = std::move(members.layer);
    if (members.path && members.text) {
        const bool keep_path = members.embedding ? members.path_first : !options.plain_is_text;
        members.carried.insert(members.carried.begin(),
                               keep_path ? members.text_member : members.path_member);
        (keep_path ? members.text : members.path).reset();
    }
    out.has_item = members.path || members.text;
    out.item_is_text = members.text.has_value();
    if (members.path)
        out.item = path_from_utf8(*members.path);
    else if (members.text)
        out.item = std::move(*members.text);
    out.kind = out.item_is_text ? InputRecord::Kind::text : InputRecord::Kind::path;
    if (out.has_item)
        check_item(out);
    if (members.embedding) {
        if (members.embedding->empty())
            fail(ErrorCode::bad_format, "the embedding is empty");
        out.kind = InputRecord::Kind::embedding;
        out.embedding = std::move(*members.embedding);
    }
    for (const std::string_view member : members.carried) {
        if (!out.extra.empty())
            out.extra += ',';
        out.extra += member;
    }
    // Inside strings JSON allows no line break, so what is replaced is space between tokens.
    for (char& byte : out.extra)
        byte = byte == '\n' || byte == '\r' ? ' ' : byte;
    return out;
}

InputRecord parse_plain(std::string_view line, const RecordOptions& options) {
    InputRecord out;
    out.item = std::string(line);
    out.item_is_text = options.plain_is_text;
    out.kind = out.item_is_text ? InputRecord::Kind::text : InputRecord::Kind::path;
    check_item(out);
    if (out.item_is_text) {
        const std::size_t valid = utf8_valid_prefix(line);
        if (valid != line.size())
            fail(ErrorCode::bad_format, concat("the text is not UTF-8 at byte ", valid + 1));
    }
    return out;
}

} // namespace

Result<InputRecord> parse_record(std::string_view line, const RecordOptions& options) {
    try {
        if (options.json && line.starts_with('{'))
            return parse_json(line, options);
        return parse_plain(line, options);
    } catch (const Error& error) {
        return error;
    }
}

void begin_json_record(std::string& out, std::string_view item, bool is_text,
                       std::string_view extra) {
    out += is_text ? "{\"text\":" : "{\"path\":";
    append_json_string(out, is_text ? std::string(item) : path_to_utf8(item));
    if (!extra.empty()) {
        out += ',';
        out += extra;
    }
}

void append_json_key(std::string& out, std::string_view key) {
    out += ",\"";
    out += key;
    out += "\":";
}

std::string members_of_object(std::string_view object) {
    if (object.empty())
        return {};
    if (!is_valid_utf8(object))
        fail(ErrorCode::bad_format, "carried keys are not UTF-8");
    JsonScanner scan(object);
    if (scan.peek() != '{')
        scan.fail_here("'{' is wanted");
    const std::size_t start = scan.position();
    scan.skip_value();
    const std::size_t end = scan.position();
    scan.skip_space();
    if (!scan.at_end())
        scan.fail_here("text after the object");
    std::string_view members = object.substr(start + 1, end - start - 2);
    const std::size_t first = members.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos)
        return {};
    members = members.substr(first, members.find_last_not_of(" \t\r\n") + 1 - first);
    std::string out(members);
    for (char& byte : out)
        byte = byte == '\n' || byte == '\r' ? ' ' : byte;
    return out;
}

} // namespace clip::io

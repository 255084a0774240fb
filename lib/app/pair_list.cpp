// SPDX-License-Identifier: MIT
#include "app/pair_list.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "base/concat.hpp"
#include "io/delimited.hpp"
#include "io/input_record.hpp"
#include "io/line_reader.hpp"
#include "io/path_escape.hpp"
#include "io/utf8.hpp"
#include "train/list_file.hpp"
#include "train/table_columns.hpp"

namespace clip::app {

namespace {

/// The member `key` of carried members as a string; empty where there is none.
std::string carried_text(std::string_view members, const char* key) {
    if (members.empty())
        return {};
    nlohmann::json object;
    try {
        object = nlohmann::json::parse(concat("{", members, "}"));
    } catch (const nlohmann::json::exception&) { // such as half of a surrogate pair
        fail(ErrorCode::bad_format, concat("the key ", key, " cannot be read"));
    }
    const auto found = object.find(key);
    if (found == object.end())
        return {};
    if (!found->is_string())
        fail(ErrorCode::bad_format, concat("the key ", key, " is not a string"));
    return found->get<std::string>();
}

void add_object(PairList& list, std::string_view line) {
    io::InputRecord record = io::parse_record(line).value();
    if (!record.has_item || record.item_is_text)
        fail(ErrorCode::bad_format, "the JSON record has no path");
    std::string text = carried_text(record.extra, "text");
    if (text.empty())
        fail(ErrorCode::bad_format, "the JSON record has no text");
    list.add(std::move(record.item), std::move(text));
}

void add_pair(PairList& list, std::string picture, std::string caption) {
    if (!io::is_valid_utf8(caption))
        fail(ErrorCode::bad_format, "the caption is not UTF-8");
    list.add(std::move(picture), std::move(caption));
}

void add_line(PairList& list, std::string_view line) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos || tab == 0)
        fail(ErrorCode::bad_format, "no tab between path and caption");
    const std::string_view caption = line.substr(tab + 1);
    if (caption.empty())
        fail(ErrorCode::bad_format, "no caption after the tab");
    add_pair(list, std::string(line.substr(0, tab)), std::string(caption));
}

/// A row of a table that has a header.
void add_row(PairList& list, std::string_view row, const io::DelimitedFormat& format,
             const train::TableColumns& columns) {
    std::vector<std::string> fields;
    io::split_record(row, format, fields);
    if (const std::string problem = columns.problem(fields); !problem.empty())
        fail(ErrorCode::bad_format, problem);
    std::string& picture = fields[columns.picture];
    std::string& caption = fields[columns.text];
    if (picture.empty() || caption.empty())
        fail(ErrorCode::bad_format, picture.empty() ? "no picture is named" : "no caption");
    add_pair(list, std::move(picture), std::move(caption));
}

std::optional<train::TableColumns> header_columns(std::string_view first,
                                                  const io::DelimitedFormat& format) {
    std::vector<std::string> fields;
    io::split_record(first, format, fields);
    return train::columns_of_header(fields);
}

void add_failure(FailureLog& failures, std::string place, std::uint64_t position,
                 const Error& error) {
    Input input;
    input.name = std::move(place);
    input.has_item = false;
    input.position = position;
    failures.add(input, error);
}

PairList read_comma_table(const std::string& path, FailureLog& failures) {
    constexpr io::DelimitedFormat kCommas{',', true};
    train::PairSourceOptions options;
    options.on_problem = [&](const std::string& place, const Error& error) {
        add_failure(failures, place, 0, error);
    };
    train::ListFile file(path, kCommas, options);
    const std::optional<train::TableColumns> columns = header_columns(file.read(0), kCommas);
    if (!columns)
        fail(ErrorCode::bad_format,
             concat("read the pairs ", path,
                    ": its first row does not name the columns (such as path,text)"));
    PairList list;
    for (std::uint64_t row = 1; row < file.size(); ++row)
        try {
            add_row(list, file.read(row), kCommas, *columns);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::bad_format)
                throw;
            add_failure(failures, concat(path, ": row ", row), row, error);
        }
    return list;
}

} // namespace

std::uint32_t NameList::add(std::string name) {
    const auto [at, added] = index_.emplace(name, static_cast<std::uint32_t>(names_.size()));
    if (added)
        names_.push_back(std::move(name));
    return at->second;
}

std::optional<std::uint32_t> NameList::find(const std::string& name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? std::nullopt : std::optional(found->second);
}

void PairList::add(std::string picture, std::string caption) {
    const std::uint32_t first = pictures.add(std::move(picture));
    pairs.push_back({first, captions.add(std::move(caption))});
}

std::string carried_path(std::string_view members) {
    const std::string path = carried_text(members, "path");
    return path.empty() ? path : io::path_from_utf8(path);
}

PairList read_pairs(const std::string& path, FailureLog& failures) {
    if (path.ends_with(".csv"))
        return read_comma_table(path, failures);
    const bool objects = path.ends_with(".jsonl") || path.ends_with(".ndjson");
    constexpr io::DelimitedFormat kTabs{'\t', false};
    io::LineReader reader = io::LineReader::open(path);
    PairList list;
    std::optional<train::TableColumns> columns; // where the first line is a header
    bool begun = false;
    while (true) {
        try {
            std::string_view line;
            if (!reader.next(line))
                return list;
            if (reader.line_number() == 1 && line.starts_with("\xEF\xBB\xBF"))
                line.remove_prefix(3);
            if (line.ends_with('\r'))
                line.remove_suffix(1);
            if (line.find_first_not_of(" \t") == std::string_view::npos)
                continue;
            const bool first = !std::exchange(begun, true);
            if (objects || (path == "-" && line.starts_with('{')))
                add_object(list, line);
            else if (first && (columns = header_columns(line, kTabs)))
                continue;
            else if (columns)
                add_row(list, line, kTabs, *columns);
            else
                add_line(list, line);
        } catch (const Error& error) {
            if (error.code() == ErrorCode::io_failure)
                throw;
            add_failure(failures, reader.where(), reader.line_number(), error);
        }
    }
}

} // namespace clip::app

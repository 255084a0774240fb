// SPDX-License-Identifier: MIT
#include "train/table_columns.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::train {

namespace {

constexpr std::array<std::string_view, 10> kPictureNames = {
    "path",      "filepath", "file_path",  "file", "filename",
    "file_name", "image",    "image_path", "img",  "picture"};
constexpr std::array<std::string_view, 6> kTextNames = {"text",  "caption",     "captions",
                                                        "title", "description", "sentence"};

/// Trimmed and in lower case (ASCII).
std::string plain_name(std::string_view name) {
    const std::size_t first = name.find_first_not_of(" \t\r");
    if (first == std::string_view::npos)
        return {};
    std::string out(name.substr(first, name.find_last_not_of(" \t\r") + 1 - first));
    for (char& c : out)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
}

/// The first field that has the first name that any has: `path` counts before `image`.
template <typename Names>
std::optional<std::size_t> find_column(const std::vector<std::string>& header, const Names& names) {
    for (const std::string_view name : names)
        for (std::size_t i = 0; i < header.size(); ++i)
            if (plain_name(header[i]) == plain_name(name))
                return i;
    return std::nullopt;
}

/// A column's number from 1, as a place from 0.
std::optional<std::size_t> column_number(std::string_view text) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return number - 1; // 0 becomes more columns than any table has
}

/// The header's columns for messages: 'a', 'b', ...
std::string list_of(const std::vector<std::string>& header) {
    std::string out;
    constexpr std::size_t kMost = 20;
    for (std::size_t i = 0; i < header.size() && i < kMost; ++i)
        out += concat(i == 0 ? "'" : ", '", std::string_view(header[i]).substr(0, 60), "'");
    return header.size() > kMost ? out + ", ..." : out;
}

} // namespace

std::string TableColumns::problem(const std::vector<std::string>& fields) const {
    const std::size_t last = std::max(picture, text);
    if (fields.size() <= last)
        return concat("too few fields (got ", fields.size(), ", want at least ", last + 1, ")");
    for (std::size_t i = count; header && i < fields.size(); ++i)
        if (!fields[i].empty())
            return concat("too many fields (got ", fields.size(), ", the header names ", count,
                          "; captions may have to be quoted)");
    return {};
}

std::optional<TableColumns> columns_of_header(const std::vector<std::string>& first) {
    const auto picture = find_column(first, kPictureNames), text = find_column(first, kTextNames);
    if (!picture || !text)
        return std::nullopt;
    return TableColumns{*picture, *text, true, first.size()};
}

TableColumns find_columns(const std::string& path, const std::vector<std::string>& first,
                          const std::vector<std::string>& wanted) {
    const std::string what = concat("read the table ", path);
    if (!wanted.empty()) {
        const auto picture = column_number(wanted[0]), text = column_number(wanted[1]);
        if (picture && text) {
            if (std::max(*picture, *text) >= first.size())
                fail(ErrorCode::bad_format,
                     concat(what, ": no such column (want columns ", wanted[0], " and ", wanted[1],
                            ", its first row has ", first.size(), ": ", list_of(first), ")"));
            const auto is_one_of = [&](std::size_t column, const auto& names) {
                return std::find(names.begin(), names.end(), plain_name(first[column])) !=
                       names.end();
            };
            return {*picture, *text,
                    is_one_of(*picture, kPictureNames) && is_one_of(*text, kTextNames),
                    first.size()};
        }
    }
    const auto picture = wanted.empty() ? find_column(first, kPictureNames)
                                        : find_column(first, std::array{wanted[0]});
    const auto text =
        wanted.empty() ? find_column(first, kTextNames) : find_column(first, std::array{wanted[1]});
    if (!picture || !text)
        fail(ErrorCode::bad_format,
             concat(what, ": no column ", !picture ? "for pictures" : "for captions",
                    wanted.empty() ? std::string(!picture ? " (such as 'path' or 'image')"
                                                          : " (such as 'text' or 'caption')")
                                   : concat(" named '", wanted[!picture ? 0 : 1], "'"),
                    "; the first row has ", list_of(first),
                    wanted.empty() ? "; --columns says which to take" : ""));
    return {*picture, *text, true, first.size()};
}

} // namespace clip::train

// SPDX-License-Identifier: MIT
#include "io/delimited.hpp"

#include <algorithm>
#include <optional>

namespace clip::io {

namespace {

RecordEnd line_end(std::string_view text, std::size_t from) {
    const std::size_t newline = text.find('\n', from);
    const std::size_t end = std::min(newline, text.size());
    RecordEnd out;
    out.next = newline == std::string_view::npos ? text.size() : newline + 1;
    out.length = end > from && text[end - 1] == '\r' ? end - 1 : end;
    return out;
}

/// The place behind the quoted field that begins at `at` (at its quote); its closing quote is the
/// first that is not doubled. Appends the content to `out`, where there is one.
std::optional<std::size_t> skip_quoted(std::string_view text, std::size_t at, std::string* out) {
    for (++at;;) {
        const std::size_t quote = text.find('"', at);
        if (quote == std::string_view::npos)
            return std::nullopt;
        if (out != nullptr)
            out->append(text, at, quote - at);
        if (quote + 1 >= text.size() || text[quote + 1] != '"')
            return quote + 1;
        if (out != nullptr)
            *out += '"';
        at = quote + 2;
    }
}

} // namespace

RecordEnd find_record_end(std::string_view text, const DelimitedFormat& format,
                          std::size_t max_length) {
    const RecordEnd line = line_end(text, 0);
    if (!format.quotes || text.substr(0, line.length).find('"') == std::string_view::npos)
        return line;
    const std::string_view head =
        text.substr(0, std::max(line.next, std::min(text.size(), max_length)));
    std::size_t at = 0;
    for (;;) { // a field begins at `at`
        if (at < head.size() && head[at] == '"') {
            const auto behind = skip_quoted(head, at, nullptr);
            if (!behind) {
                RecordEnd out = line;
                out.unclosed = true;
                return out;
            }
            at = *behind;
        }
        while (at < head.size() && head[at] != format.separator && head[at] != '\n')
            ++at;
        if (at >= head.size() || head[at] == '\n')
            break;
        ++at;
    }
    if (at >= head.size() && head.size() < text.size()) {
        RecordEnd out = line;
        out.unclosed = true;
        return out;
    }
    RecordEnd out;
    out.next = std::min(at + 1, text.size());
    out.length = at > 0 && at < text.size() && text[at - 1] == '\r' ? at - 1 : at;
    return out;
}

void split_record(std::string_view record, const DelimitedFormat& format,
                  std::vector<std::string>& fields) {
    std::size_t count = 0, at = 0;
    for (;;) {
        if (count == fields.size())
            fields.emplace_back();
        std::string& field = fields[count++];
        field.clear();
        if (format.quotes && at < record.size() && record[at] == '"')
            at = skip_quoted(record, at, &field).value_or(record.size());
        const std::size_t end = std::min(record.find(format.separator, at), record.size());
        field.append(record, at, end - at);
        if (end == record.size())
            break;
        at = end + 1;
    }
    fields.resize(count);
}

} // namespace clip::io

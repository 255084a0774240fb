// SPDX-License-Identifier: MIT
#include "io/pgvector_writer.hpp"

#include <charconv>

#include <unistd.h>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/json_text.hpp"
#include "io/path_escape.hpp"
#include "io/utf8.hpp"

namespace clip::io {

namespace {

constexpr std::string_view kNull = "\\N";

/// The four hex digits of a \u escape whose backslash is at `at`; -1 where there is none.
int escaped_unit(std::string_view text, std::size_t at) {
    if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u')
        return -1;
    int unit = -1;
    const char* end = text.data() + at + 6;
    const auto parsed = std::from_chars(end - 4, end, unit, 16);
    return parsed.ec == std::errc{} && parsed.ptr == end ? unit : -1;
}

bool is_high_half(int unit) {
    return unit >= 0xd800 && unit < 0xdc00;
}
bool is_low_half(int unit) {
    return unit >= 0xdc00 && unit < 0xe000;
}

} // namespace

void append_copy_text(std::string& out, std::string_view text) {
    constexpr std::string_view kEscaped = "\b\f\n\r\t\v\\", kLetters = "bfnrtv\\";
    std::size_t start = 0;
    while (true) {
        const std::size_t at = text.find_first_of(kEscaped, start);
        out += text.substr(start, at - start);
        if (at == std::string_view::npos)
            return;
        out += '\\';
        out += kLetters[kEscaped.find(text[at])];
        start = at + 1;
    }
}

std::string_view jsonb_obstacle(std::string_view members) {
    // A backslash is only ever inside a string, where the byte after it belongs to it.
    for (std::size_t at = members.find('\\'); at < members.size(); at = members.find('\\', at)) {
        const int unit = escaped_unit(members, at);
        if (unit == 0)
            return "U+0000";
        if (is_low_half(unit) ||
            (is_high_half(unit) && !is_low_half(escaped_unit(members, at + 6))))
            return "half of a surrogate pair";
        at += unit < 0 ? 2 : is_high_half(unit) ? 12 : 6;
    }
    return {};
}

PgvectorWriter::PgvectorWriter(const std::string& path) {
    if (path == "-") {
        out_ = std::make_unique<OutputStream>(STDOUT_FILENO, "standard output");
    } else {
        file_ = std::make_unique<AtomicFile>(path);
        out_ = std::make_unique<OutputStream>(file_->fd(), path);
    }
}

void PgvectorWriter::add(const EngineRow& row) {
    if (row.values.empty() || (rows_ > 0 && row.values.size() != dim_))
        fail(ErrorCode::shape_mismatch, concat("write ", out_->name(), ": a vector of ",
                                               row.values.size(), " values (want ", dim_, ")"));
    if (row.is_text && (!is_valid_utf8(row.item) || row.item.find('\0') != std::string_view::npos))
        fail(ErrorCode::bad_format, "PostgreSQL takes no text with NUL, or that is not UTF-8");
    if (const std::string_view obstacle = jsonb_obstacle(row.extra); !obstacle.empty())
        fail(ErrorCode::bad_format,
             concat("its carried keys hold ", obstacle, ", which PostgreSQL's jsonb cannot"));
    dim_ = row.values.size();
    line_ = concat(rows_ + 1, '\t');
    if (row.has_item && !row.is_text)
        append_copy_text(line_, path_to_utf8(row.item));
    else
        line_ += kNull;
    line_ += '\t';
    if (row.has_item && row.is_text)
        append_copy_text(line_, row.item);
    else
        line_ += kNull;
    line_ += '\t';
    if (row.extra.empty()) {
        line_ += kNull;
    } else {
        line_ += '{';
        append_copy_text(line_, row.extra);
        line_ += '}';
    }
    line_ += '\t';
    append_json_floats(line_, row.values);
    line_ += '\n';
    out_->write(line_);
    ++rows_;
}

void PgvectorWriter::commit() {
    out_->flush();
    if (file_)
        file_->commit();
}

} // namespace clip::io

// SPDX-License-Identifier: MIT
#include "io/path_escape.hpp"

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/utf8.hpp"

namespace clip::io {

namespace {

constexpr std::string_view kScheme = "file:";

int hex_value(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

} // namespace

std::string path_to_utf8(std::string_view path) {
    if (!path.starts_with(kScheme) && is_valid_utf8(path))
        return std::string(path);
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string out(kScheme);
    for (const char byte : path) {
        const auto code = static_cast<unsigned char>(byte);
        if (code < 0x20 || code > 0x7e || byte == '%') {
            out += '%';
            out += kDigits[code >> 4];
            out += kDigits[code & 15];
        } else {
            out += byte;
        }
    }
    return out;
}

std::string path_from_utf8(std::string_view spelling) {
    if (!spelling.starts_with(kScheme))
        return std::string(spelling);
    std::string out;
    for (std::size_t at = kScheme.size(); at < spelling.size(); ++at) {
        if (spelling[at] != '%') {
            out += spelling[at];
            continue;
        }
        const int high = at + 2 < spelling.size() ? hex_value(spelling[at + 1]) : -1;
        const int low = at + 2 < spelling.size() ? hex_value(spelling[at + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            fail(ErrorCode::bad_format,
                 concat("path ", spelling, ": a % must be followed by two hex digits other than 00",
                        " (a path that begins with file: is percent-encoded)"));
        out += static_cast<char>(high * 16 + low);
        at += 2;
    }
    return out;
}

} // namespace clip::io

// SPDX-License-Identifier: MIT
#include "draw/markup.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "data/unicode.hpp"

namespace clip {

namespace {

/// What XML 1.0 allows, less the control characters that HTML does not.
bool is_legal(char32_t code) {
    if (code < 0x20)
        return code == '\t' || code == '\n';
    return !(code >= 0x7f && code < 0xa0) && (code & 0xfffe) != 0xfffe;
}

} // namespace

std::string escape_markup(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    bool valid = true;
    for (std::size_t at = 0; at < text.size();) {
        const char32_t code = decode_utf8_at(text, at, valid);
        switch (code) {
        case '&':
            out += "&amp;";
            break;
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '"':
            out += "&quot;";
            break;
        case '\'':
            out += "&#39;";
            break;
        default:
            append_utf8(out, is_legal(code) ? code : 0xfffd);
        }
    }
    return out;
}

std::string format_coordinate(double value) {
    // Further away nothing is seen.
    const double hundredths = std::round(std::clamp(value, -1e9, 1e9) * 100.0);
    char buffer[64];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, hundredths / 100.0,
                                   std::chars_format::fixed, 2);
    std::string out(buffer, end.ptr);
    while (out.back() == '0')
        out.pop_back();
    if (out.back() == '.')
        out.pop_back();
    return out == "-0" ? "0" : out;
}

std::string to_base64(std::span<const std::uint8_t> bytes) {
    constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t left = bytes.size() - i;
        const unsigned group = unsigned{bytes[i]} << 16 |
                               (left > 1 ? unsigned{bytes[i + 1]} << 8 : 0U) |
                               (left > 2 ? unsigned{bytes[i + 2]} : 0U);
        out += kDigits[group >> 18];
        out += kDigits[group >> 12 & 63];
        out += left > 1 ? kDigits[group >> 6 & 63] : '=';
        out += left > 2 ? kDigits[group & 63] : '=';
    }
    return out;
}

std::string escape_url_path(std::string_view path) {
    constexpr char kHex[] = "0123456789ABCDEF";
    std::string out;
    out.reserve(path.size());
    for (const char c : path) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~' ||
                           c == '/';
        if (plain) {
            out += c;
        } else {
            out += '%';
            out += kHex[byte >> 4];
            out += kHex[byte & 15];
        }
    }
    return out;
}

} // namespace clip

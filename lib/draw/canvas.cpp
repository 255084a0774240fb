// SPDX-License-Identifier: MIT
#include "draw/canvas.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "data/unicode.hpp"

namespace clip {

namespace {

constexpr std::u32string_view kEllipsis = U"\u2026";
/// No picture has room for more; longer texts are not even measured.
constexpr std::size_t kLongestText = 4096;

/// The first `count` characters' shortened form.
std::string cut(const std::u32string& text, std::size_t count, Shorten where) {
    const std::size_t head = where == Shorten::middle ? (count + 1) / 2 : count;
    std::u32string out = text.substr(0, head);
    while (where == Shorten::end && !out.empty() && is_space(out.back()))
        out.pop_back();
    out += kEllipsis;
    out += text.substr(text.size() - (count - head));
    return encode_utf8(out);
}

/// The largest n in [0, count] for which `fits(n)`, which never fits again once it does not.
template <typename Fits>
std::size_t largest(std::size_t count, const Fits& fits) {
    std::size_t low = 0, high = count;
    while (low < high) {
        const std::size_t middle = (low + high + 1) / 2;
        if (fits(middle))
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/// Where the line that begins at `begin` ends; at least one character is taken.
std::size_t line_end(const Canvas& canvas, const std::u32string& text, std::size_t begin,
                     const TextStyle& style, double width) {
    const std::size_t fit = largest(text.size() - begin, [&](std::size_t n) {
        return canvas.text_width(encode_utf8(text.substr(begin, n)), style) <= width;
    });
    const std::size_t end = begin + std::max<std::size_t>(fit, 1);
    if (end >= text.size() || is_space(text[end]))
        return std::min(end, text.size());
    for (std::size_t i = end; i > begin + 1; --i)
        if (is_space(text[i - 1]))
            return i - 1;
    return end;
}

} // namespace

Colour mix(Colour from, Colour to, double share) {
    const auto blend = [share](std::uint8_t a, std::uint8_t b) {
        return static_cast<std::uint8_t>(std::lround(a + (b - a) * std::clamp(share, 0.0, 1.0)));
    };
    return {blend(from.red, to.red), blend(from.green, to.green), blend(from.blue, to.blue)};
}

bool is_dark(Colour colour) {
    return 0.299 * colour.red + 0.587 * colour.green + 0.114 * colour.blue < 140.0;
}

void Canvas::line(Point from, Point to, const Stroke& stroke) {
    polyline(std::array{from, to}, stroke);
}

std::u32string printable(std::string_view text) {
    // A character has at most 4 bytes.
    std::u32string out = decode_utf8(text.substr(0, 4 * kLongestText));
    if (out.size() > kLongestText)
        out.resize(kLongestText);
    for (char32_t& code : out) {
        if (code == '\t' || code == '\n' || code == '\r')
            code = ' ';
        else if (code < 0x20 || (code >= 0x7f && code < 0xa0) || (code & 0xfffe) == 0xfffe)
            code = 0xfffd;
    }
    return out;
}

std::string shorten(const Canvas& canvas, std::string_view text, const TextStyle& style,
                    double width, Shorten where) {
    const std::u32string codes = printable(text);
    std::string whole = encode_utf8(codes);
    if (codes.size() < kLongestText && canvas.text_width(whole, style) <= width)
        return whole;
    const std::size_t count = codes.empty() ? 0 : codes.size() - 1;
    return cut(codes,
               largest(count,
                       [&](std::size_t n) {
                           return canvas.text_width(cut(codes, n, where), style) <= width;
                       }),
               where);
}

std::vector<std::string> wrap(const Canvas& canvas, std::string_view text, const TextStyle& style,
                              double width, int max_lines) {
    const std::u32string codes = printable(text);
    std::vector<std::string> lines;
    std::size_t at = 0;
    while (at < codes.size() && is_space(codes[at]))
        ++at;
    while (at < codes.size()) {
        if (static_cast<int>(lines.size()) + 1 >= max_lines) {
            lines.push_back(
                shorten(canvas, encode_utf8(codes.substr(at)), style, width, Shorten::end));
            break;
        }
        const std::size_t end = line_end(canvas, codes, at, style, width);
        lines.push_back(encode_utf8(codes.substr(at, end - at)));
        at = end;
        while (at < codes.size() && is_space(codes[at]))
            ++at;
    }
    return lines;
}

} // namespace clip

// SPDX-License-Identifier: MIT
#include "data/text_clean.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "data/html_entities.hpp"
#include "data/mojibake.hpp"
#include "data/unicode.hpp"

namespace clip {
namespace {

// Real text needs two or three; a hostile line could ask for as many as it has characters.
constexpr int kMaxRounds = 16;
// Longer lines are repaired in pieces of this many code points.
constexpr std::size_t kMaxSegment = 1000000;

// ASCII that no repair touches: printable but '&', and the white space that is not turned into
// another kind of it.
constexpr std::array<bool, 256> kInert = [] {
    std::array<bool, 256> inert{};
    for (std::size_t c = 0x20; c < 0x7f; ++c)
        inert[c] = c != '&';
    inert['\t'] = inert['\n'] = inert['\f'] = true;
    return inert;
}();

bool is_inert(char32_t code) {
    return code < 0x80 && kInert[code];
}

/// The letters of a ligature or digraph; empty for other characters.
std::u32string_view ligature_letters(char32_t code) {
    constexpr std::array<std::u32string_view, 7> kTypographic = {U"ff",  U"fi",      U"fl", U"ffi",
                                                                 U"ffl", U"\u017ft", U"st"};
    switch (code) {
    case 0x132:
        return U"IJ";
    case 0x133:
        return U"ij";
    case 0x149:
        return U"\u02bcn";
    case 0x1c4:
        return U"D\u017d";
    case 0x1c5:
        return U"D\u017e";
    case 0x1c6:
        return U"d\u017e";
    case 0x1c7:
        return U"LJ";
    case 0x1c8:
        return U"Lj";
    case 0x1c9:
        return U"lj";
    case 0x1ca:
        return U"NJ";
    case 0x1cb:
        return U"Nj";
    case 0x1cc:
        return U"nj";
    case 0x1f1:
        return U"DZ";
    case 0x1f2:
        return U"Dz";
    case 0x1f3:
        return U"dz";
    default:
        return code >= 0xfb00 && code <= 0xfb06 ? kTypographic[code - 0xfb00]
                                                : std::u32string_view();
    }
}

constexpr char32_t kFirstWide = 0xff01;
constexpr char32_t kLastWide = 0xffef;

/// The usual form of a halfwidth or fullwidth character.
const std::u32string& usual_width(char32_t code) {
    static const std::vector<std::u32string> table = [] {
        std::vector<std::u32string> forms;
        for (char32_t wide = kFirstWide; wide <= kLastWide; ++wide)
            forms.push_back(nfkc_of(wide));
        return forms;
    }();
    return table[code - kFirstWide];
}

char32_t uncurl(char32_t code) {
    if (code == 0x2bc || (code >= 0x2018 && code <= 0x201b))
        return '\'';
    return code >= 0x201c && code <= 0x201f ? U'"' : code;
}

void append_usual(std::u32string& out, char32_t code) {
    if (code == 0x3000)
        out.push_back(' ');
    else if (code >= kFirstWide && code <= kLastWide)
        for (const char32_t part : usual_width(code))
            out.push_back(uncurl(part));
    else
        out.push_back(uncurl(code));
}

/// C1 controls, ligatures, widths and quotes, which look at one character each.
std::u32string replace_characters(std::u32string_view text) {
    std::u32string out;
    out.reserve(text.size() + 8);
    for (const char32_t code : text) {
        if (code < 0x80) {
            out.push_back(code);
            continue;
        }
        const std::u32string_view letters = ligature_letters(code);
        if (letters.empty())
            append_usual(out, windows_1252_meaning(code));
        else
            for (const char32_t letter : letters)
                append_usual(out, letter);
    }
    return out;
}

std::u32string fix_line_breaks(std::u32string_view text) {
    std::u32string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char32_t code = text[i];
        if (code == '\r' && i + 1 < text.size() && text[i + 1] == '\n')
            continue;
        out.push_back(code == '\r' || code == 0x85 || code == 0x2028 || code == 0x2029 ? U'\n'
                                                                                       : code);
    }
    return out;
}

/// The end of the terminal escape that begins at `i`; `i` where there is none.
std::size_t terminal_escape_end(std::u32string_view text, std::size_t i) {
    if (text[i] != 0x1b || i + 1 >= text.size() || text[i + 1] != '[')
        return i;
    std::size_t end = i + 2;
    while (end < text.size() && (text[end] == ';' || is_decimal_digit(text[end])))
        ++end;
    const bool letter = end < text.size() && text[end] < 0x80 && (text[end] | 0x20) >= 'a' &&
                        (text[end] | 0x20) <= 'z';
    return letter ? end + 1 : i;
}

bool is_removed_control(char32_t code) {
    return code < 0x09 || code == 0x0b || (code >= 0x0e && code <= 0x1f) || code == 0x7f ||
           (code >= 0x206a && code <= 0x206f) || code == 0xfeff ||
           (code >= 0xfff9 && code <= 0xfffc);
}

std::u32string remove_controls(std::u32string_view text) {
    std::u32string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t end = terminal_escape_end(text, i);
        if (end == i && !is_removed_control(text[i]))
            out.push_back(text[i]);
        i = std::max(end, i + 1);
    }
    return out;
}

std::u32string repair_segment(std::u32string text, bool unescape) {
    for (int round = 0; round < kMaxRounds; ++round) {
        if (std::all_of(text.begin(), text.end(), is_inert))
            break;
        std::u32string fixed = unescape ? unescape_html_strictly(text) : text;
        fixed = fix_mojibake(std::move(fixed));
        fixed = replace_characters(fixed);
        fixed = fix_line_breaks(fixed);
        fixed = remove_controls(fixed);
        fixed = to_nfc(std::move(fixed));
        if (fixed == text)
            break;
        text = std::move(fixed);
    }
    return text;
}

std::u32string collapse_spaces(std::u32string_view text) {
    std::u32string out;
    out.reserve(text.size());
    for (const char32_t code : text) {
        if (!is_space(code))
            out.push_back(code);
        else if (!out.empty() && out.back() != ' ')
            out.push_back(' ');
    }
    if (!out.empty() && out.back() == ' ')
        out.pop_back();
    return out;
}

/// The whole of clean_text for text that needs no repair; returns false where it may need one.
bool clean_inert_ascii(std::string_view bytes, std::string& out) {
    out.reserve(bytes.size());
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (!kInert[byte])
            return false;
        if (byte > ' ')
            out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
        else if (!out.empty() && out.back() != ' ')
            out.push_back(' ');
    }
    if (!out.empty() && out.back() == ' ')
        out.pop_back();
    return true;
}

} // namespace

std::u32string repair_text(std::u32string_view text) {
    std::u32string out;
    out.reserve(text.size());
    bool unescape = true;
    for (std::size_t begin = 0; begin < text.size();) {
        std::size_t end = text.find(U'\n', begin);
        end = end == std::u32string_view::npos ? text.size() : end + 1;
        end = std::min(end, begin + kMaxSegment);
        const std::u32string_view segment = text.substr(begin, end - begin);
        // A '<' says that this is HTML, here and in all that follows.
        if (unescape && segment.find(U'<') != std::u32string_view::npos)
            unescape = false;
        out += repair_segment(std::u32string(segment), unescape);
        begin = end;
    }
    return out;
}

std::string clean_text(std::string_view bytes) {
    std::string ascii;
    if (clean_inert_ascii(bytes, ascii))
        return ascii;
    std::u32string text = repair_text(decode_utf8(bytes));
    for (int pass = 0; pass < 2 && text.find(U'&') != std::u32string::npos; ++pass)
        text = unescape_html(text);
    return encode_utf8(to_lower(collapse_spaces(text)));
}

} // namespace clip

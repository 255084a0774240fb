// SPDX-License-Identifier: MIT
// What makes a text look badly decoded: neighbours that hardly occur in any language.
#include <algorithm>
#include <array>
#include <memory>

#include "data/mojibake.hpp"
#include "data/mojibake_classes.hpp"
#include "data/unicode.hpp"

namespace clip {
namespace {

struct Range {
    char32_t first;
    char32_t last;
    std::uint32_t classes;
};

#define CLIP_MOJIBAKE_CLASSES
constexpr auto kRanges = std::to_array<Range>({
#include "data/mojibake_table.inc"
});
#undef CLIP_MOJIBAKE_CLASSES

using ClassTable = std::array<std::uint32_t, kMojibakeSlots + 1>;

const ClassTable& class_table() {
    static const std::unique_ptr<const ClassTable> table = [] {
        auto built = std::make_unique<ClassTable>();
        for (const Range& range : kRanges)
            for (char32_t code = range.first; code <= range.last; ++code)
                (*built)[mojibake_slot(code)] = range.classes;
        return built;
    }();
    return *table;
}

constexpr std::uint32_t kAccented = kLowerAccented | kUpperAccented;
constexpr std::uint32_t kPunctuation = kStartPunctuation | kEndPunctuation;
constexpr std::uint32_t kSymbols = kBox | kPunctuation | kCurrency | kNumeric | kLaw;

bool is_lower(char32_t c) {
    return c >= 'a' && c <= 'z';
}
bool is_letter(char32_t c) {
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}
bool is_one_of(char32_t c, std::u32string_view set) {
    return c != 0 && set.find(c) != std::u32string_view::npos;
}

/// A window on the text: the characters and classes at a position and behind it; 0 past the end.
struct Window {
    std::u32string_view text;
    std::size_t at;

    char32_t code(std::size_t i) const { return at + i < text.size() ? text[at + i] : 0; }
    bool is(std::size_t i, std::uint32_t classes) const {
        return (mojibake_classes(code(i)) & classes) != 0;
    }
    bool one_of(std::size_t i, std::u32string_view set) const { return is_one_of(code(i), set); }
    bool starts_with(std::u32string_view what) const { return text.substr(at).starts_with(what); }
    bool has(std::size_t i) const { return at + i < text.size(); }
};

// Classes that do not meet.
bool unlikely_pair(const Window& w) {
    return (w.is(0, kAccented | kSymbols | kBad) && w.is(1, kBad)) ||
           (w.is(0, kBad) && w.is(1, kAccented | kSymbols)) ||
           (w.is(0,
                 kLowerAccented | kLowerCommon | kBox | kEndPunctuation | kCurrency | kNumeric) &&
            w.is(1, kUpperAccented)) ||
           (w.is(0, kBox | kEndPunctuation | kCurrency | kNumeric) && w.is(1, kLowerAccented)) ||
           (w.is(0, kLowerAccented | kBox | kEndPunctuation) && w.is(1, kCurrency)) ||
           (w.is(0, kUpperAccented | kBox) && w.is(1, kNumeric | kLaw)) ||
           (w.is(0, kCurrency | kNumeric | kBox) && w.is(1, kStartPunctuation)) ||
           (w.is(0, kBox) && w.is(1, kKaomoji | kEndPunctuation)) ||
           (w.is(0, kAccented | kCurrency | kNumeric | kPunctuation | kLaw) && w.is(1, kBox)) ||
           (w.is(0, kUpperAccented) && w.code(1) == U'\u00b0');
}

bool unlikely_triple(const Window& w) {
    return (is_letter(w.code(0)) && w.is(1, kLowerCommon | kUpperCommon) && w.is(2, kBad)) ||
           (w.has(0) && is_space(w.code(0)) && w.is(1, kUpperAccented) && w.is(2, kCurrency)) ||
           (w.is(0, kAccented | kBox | kCurrency | kEndPunctuation) && w.is(1, kStartPunctuation) &&
            w.is(2, kNumeric)) ||
           (w.is(0, kAccented | kCurrency | kNumeric | kBox | kLaw) && w.is(1, kEndPunctuation) &&
            w.is(2, kStartPunctuation)) ||
           (is_lower(w.code(0)) && w.is(1, kUpperAccented) &&
            w.is(2, kStartPunctuation | kCurrency)) ||
           (w.is(0, kAccented) && w.is(1, kPunctuation) && w.has(2) && is_word(w.code(2)));
}

// Windows-1252 and Latin-1 readings that the classes do not give away.
bool windows_1252_trace(const Window& w) {
    const auto arabic = [&](std::size_t i) {
        return w.one_of(i, U"\u00d8\u00d9") &&
               (w.is(i + 1, kCommon | kCurrency | kBad | kNumeric | kStartPunctuation) ||
                w.one_of(i + 1, U"\u0178\u0160\u00ae\u00b0\u00b5\u00bb"));
    };
    const bool a_tilde_space = w.one_of(0, U"\u00c3\u00c2") && w.code(1) == ' ';
    return (w.one_of(0, U"\u0152\u0153") && w.has(1) && !is_letter(w.code(1))) ||
           (w.one_of(0, U"\u00c2\u00c3\u00ce\u00d0") &&
            (w.is(1, kPunctuation) ||
             w.one_of(1, U"\u20ac\u0153\u0160\u0161\u00a2\u00a3\u0178\u017e\u00a0\u00ad\u00ae\u00a9"
                         U"\u00b0\u00b7\u00bb\u2013\u2014\u00b4"))) ||
           (w.code(0) == U'\u00d7' && w.one_of(1, U"\u00b2\u00b3")) || (arabic(0) && arabic(2)) ||
           (w.code(0) == U'\u00e0' && w.one_of(1, U"\u00b2\u00b5\u00b9\u00bc\u00bd\u00be")) ||
           (w.code(0) == U'\u00c3' && w.one_of(1, U"\u00a0\u00a1")) ||
           (w.at == 0 && a_tilde_space) ||
           ((is_lower(w.code(0)) || w.one_of(0, U".,?!") || w.is(0, kEndPunctuation)) &&
            w.code(1) == U'\u00c2' && (w.code(2) == ' ' || w.is(2, kPunctuation)));
}

// [a-z] \s? [A with tilde or circumflex] and a space.
bool letter_before_a_tilde(const Window& w) {
    if (!is_lower(w.code(0)))
        return false;
    const std::size_t i = w.has(1) && is_space(w.code(1)) ? 2 : 1;
    return w.one_of(i, U"\u00c3\u00c2") && w.code(i + 1) == ' ';
}

bool macroman_trace(const Window& w) {
    switch (w.code(0)) {
    case U'\u221a':
        return w.one_of(
            1, U"\u00b1\u2202\u2020\u2260\u00ae\u2122\u00b4\u2264\u2265\u00a5\u00b5\u00f8");
    case U'\u2248':
        return w.one_of(1, U"\u00b0\u00a2");
    case U'\u201a':
        return (w.code(1) == U'\u00c4' &&
                w.one_of(2, U"\u00ec\u00ee\u00ef\u00f2\u00f4\u00fa\u00f9\u00fb\u2020\u00b0"
                            U"\u00a2\u03c0")) ||
               (w.one_of(1, U"\u00e2\u00f3") && w.one_of(2, U"\u00e0\u00e4\u00b0\u00ea"));
    default:
        return false;
    }
}

bool cyrillic_greek_or_baltic_trace(const Window& w) {
    constexpr std::uint32_t kBetween = kC1 | kBad | kPunctuation | kCurrency;
    constexpr std::u32string_view kCyrillic = U"\u0412\u0413\u0420\u0421";
    constexpr std::u32string_view kGreek = U"\u0392\u0393\u039e\u039f";
    return w.starts_with(U"\u0432\u0402") ||
           (w.one_of(0, kCyrillic) && (w.is(1, kBetween) || w.one_of(1, U"\u00b0\u00b5")) &&
            w.one_of(2, kCyrillic)) ||
           (w.starts_with(U"\u0413\u045e\u0412\u0402\u0412") && w.has(6) && w.code(5) != '\n' &&
            (is_letter(w.code(6)) || w.code(6) == ' ')) ||
           (w.starts_with(U"\u03b2\u20ac") &&
            w.one_of(2, U"\u2122\u00a0\u0386\u00ad\u00ae\u00b0")) ||
           (w.one_of(0, kGreek) && (w.is(1, kBetween) || w.code(1) == U'\u00b0') &&
            w.one_of(2, kGreek)) ||
           w.starts_with(U"\u0101\u20ac");
}

} // namespace

std::uint32_t mojibake_classes(char32_t code) {
    return class_table()[mojibake_slot(code)];
}

bool looks_like_mojibake(std::u32string_view text) {
    for (std::size_t at = 0; at < text.size(); ++at) {
        const Window w{text, at};
        // Every pattern has a character past ASCII among its first three.
        if (w.code(0) < 0x80 && w.code(1) < 0x80 && w.code(2) < 0x80)
            continue;
        if (w.is(0, kC1) || unlikely_pair(w) || unlikely_triple(w) || windows_1252_trace(w) ||
            letter_before_a_tilde(w) || macroman_trace(w) || cyrillic_greek_or_baltic_trace(w))
            return true;
    }
    return false;
}

} // namespace clip

// SPDX-License-Identifier: MIT
#include "data/html_entities.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "data/unicode.hpp"

namespace clip {
namespace {

struct Entity {
    std::u32string text;
    bool bare = false; ///< also counts without a semicolon
};

constexpr std::string_view kTable =
#include "data/html_entities_table.inc"
    ;

constexpr std::size_t kLongestName = 31;

std::unordered_map<std::string_view, Entity> parse_table() {
    std::unordered_map<std::string_view, Entity> table;
    table.reserve(2200);
    std::string_view rest = kTable;
    while (!rest.empty()) {
        const std::size_t end = rest.find(' ');
        const std::string_view word = rest.substr(0, end);
        const std::size_t equals = word.find('=');
        Entity entity;
        entity.bare = word[equals - 1] == '!';
        for (const char* at = word.data() + equals; at != word.data() + word.size();) {
            std::uint32_t code = 0;
            at = std::from_chars(at + 1, word.data() + word.size(), code, 16).ptr;
            entity.text.push_back(code);
        }
        table.emplace(word.substr(0, equals - (entity.bare ? 1 : 0)), std::move(entity));
        rest.remove_prefix(end + 1);
    }
    return table;
}

/// `name` has no semicolon.
const Entity* find_entity(std::string_view name) {
    static const auto table = parse_table();
    const auto found = table.find(name);
    return found == table.end() ? nullptr : &found->second;
}

/// The characters up to the first that no name holds, at most as many as the longest name has.
std::string ascii_prefix(std::u32string_view text) {
    std::string out;
    for (const char32_t code : text.substr(0, kLongestName)) {
        if (code >= 0x80)
            break;
        out.push_back(static_cast<char>(code));
    }
    return out;
}

struct Prefix {
    const Entity* entity = nullptr;
    std::size_t length = 0;
};

/// The longest name of at least two characters that counts without a semicolon, at most `limit`.
Prefix longest_bare_prefix(const std::string& name, std::size_t limit) {
    for (std::size_t length = std::min(limit, name.size()); length >= 2; --length) {
        const Entity* entity = find_entity(std::string_view(name).substr(0, length));
        if (entity != nullptr && entity->bare)
            return {entity, length};
    }
    return {};
}

bool is_invalid(std::uint32_t code) {
    return (code >= 0x01 && code <= 0x08) || code == 0x0b || (code >= 0x0e && code <= 0x1f) ||
           code == 0x7f || (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) == 0xfffe;
}

/// What a numeric reference stands for; `code` past U+10FFFF where there were too many digits.
void append_number(std::u32string& out, std::uint32_t code) {
    // Windows-1252's meaning of the C1 controls; 0 where it has none.
    constexpr std::array<char16_t, 32> kC1 = {
        0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
        0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178};
    if (code == 0 || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
        out.push_back(0xfffd);
    else if (code >= 0x80 && code <= 0x9f)
        out.push_back(kC1[code - 0x80] != 0 ? kC1[code - 0x80] : code);
    else if (!is_invalid(code))
        out.push_back(code);
}

int digit_value(char32_t code, int base) {
    if (code >= '0' && code <= '9')
        return static_cast<int>(code - '0');
    const char32_t lower = code | 0x20;
    return base == 16 && code < 0x80 && lower >= 'a' && lower <= 'f'
               ? static_cast<int>(lower - 'a') + 10
               : -1;
}

/// Reads `&#...` at `at` (that of the '&'); returns the position behind it, or `at` where there is
/// none.
std::size_t read_number(std::u32string_view text, std::size_t at, std::u32string& out) {
    std::size_t i = at + 2;
    int base = 10;
    if (i < text.size() && (text[i] == 'x' || text[i] == 'X')) {
        base = 16;
        ++i;
    }
    const std::size_t first = i;
    std::uint32_t code = 0;
    for (; i < text.size() && digit_value(text[i], base) >= 0; ++i)
        code = std::min<std::uint32_t>(code * static_cast<std::uint32_t>(base) +
                                           static_cast<std::uint32_t>(digit_value(text[i], base)),
                                       0x110000);
    if (i == first)
        return at;
    append_number(out, code);
    return i < text.size() && text[i] == ';' ? i + 1 : i;
}

/// Reads a named reference at `at`; what is none is copied.
std::size_t read_name(std::u32string_view text, std::size_t at, std::u32string& out) {
    const auto in_name = [](char32_t c) {
        return c != '\t' && c != '\n' && c != '\f' && c != ' ' && c != '<' && c != '&' &&
               c != '#' && c != ';';
    };
    std::size_t end = at + 1;
    while (end < text.size() && end - at <= 32 && in_name(text[end]))
        ++end;
    const std::size_t length = end - at - 1;
    if (length == 0) {
        out.push_back('&');
        return at + 1;
    }
    const bool semicolon = end < text.size() && text[end] == ';';
    const std::string name = ascii_prefix(text.substr(at + 1, length));
    const std::size_t behind = end + (semicolon ? 1 : 0);
    if (name.size() == length && semicolon) {
        if (const Entity* entity = find_entity(name)) {
            out += entity->text;
            return behind;
        }
    }
    if (const Prefix prefix = longest_bare_prefix(name, length); prefix.entity != nullptr) {
        out += prefix.entity->text;
        out += text.substr(at + 1 + prefix.length, behind - (at + 1 + prefix.length));
        return behind;
    }
    out += text.substr(at, behind - at);
    return behind;
}

/// The meaning of an upper-cased name, where the name itself has none.
std::optional<std::u32string> upper_cased_entity(const std::string& name) {
    if (std::any_of(name.begin(), name.end(), [](char c) { return c >= 'a' && c <= 'z'; }) ||
        longest_bare_prefix(name, name.size()).entity != nullptr)
        return std::nullopt;
    std::string lower = name;
    for (char& c : lower)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    const Entity* entity = find_entity(lower);
    if (entity == nullptr)
        return std::nullopt;
    return to_upper(entity->text);
}

/// Reads `&name;` or `&#number;` at `at`, wholly or not at all.
std::size_t read_strictly(std::u32string_view text, std::size_t at, std::u32string& out) {
    const auto alphanumeric = [](char32_t c) {
        return c < 0x80 && ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'));
    };
    const bool number = at + 1 < text.size() && text[at + 1] == '#';
    const std::size_t first = at + (number ? 2 : 1);
    std::size_t end = first;
    while (end < text.size() && end - first < 24 && alphanumeric(text[end]))
        ++end;
    if (end == first || end == text.size() || text[end] != ';')
        return at;
    if (number) {
        std::u32string meaning;
        if (read_number(text, at, meaning) != end + 1 || meaning == U";")
            return at;
        out += meaning;
        return end + 1;
    }
    const std::string name = ascii_prefix(text.substr(first, end - first));
    if (const Entity* entity = find_entity(name)) {
        out += entity->text;
        return end + 1;
    }
    if (const auto upper = upper_cased_entity(name)) {
        out += *upper;
        return end + 1;
    }
    return at;
}

} // namespace

std::u32string unescape_html(std::u32string_view text) {
    std::u32string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] != '&') {
            out.push_back(text[i++]);
        } else if (i + 1 < text.size() && text[i + 1] == '#') {
            const std::size_t behind = read_number(text, i, out);
            if (behind == i)
                out.push_back(text[i++]);
            else
                i = behind;
        } else {
            i = read_name(text, i, out);
        }
    }
    return out;
}

std::u32string unescape_html_strictly(std::u32string_view text) {
    std::u32string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        std::size_t behind = i;
        if (text[i] == '&')
            behind = read_strictly(text, i, out);
        if (behind == i)
            out.push_back(text[i++]);
        else
            i = behind;
    }
    return out;
}

} // namespace clip

// SPDX-License-Identifier: MIT
#include "data/mojibake.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "data/mojibake_classes.hpp"
#include "data/unicode.hpp"

namespace clip {
namespace {

// The code pages behind latin-1, in the order in which they are tried. Those whose name begins with
// "windows" are sloppy: an unassigned byte stands for itself, and 0x1a for a lost character.
enum CodePage : std::size_t {
    windows_1252,
    windows_1251,
    windows_1250,
    windows_1253,
    windows_1254,
    windows_1257,
    iso_8859_2,
    macroman,
    cp437,
    kCodePages
};

// More layers than any text has met with; a hostile line could ask for as many as it has
// characters.
constexpr int kMaxRounds = 16;

struct HighHalf {
    std::array<char16_t, 128> meaning;
};

constexpr std::array<HighHalf, kCodePages> kHighHalves = {{
#include "data/mojibake_table.inc"
}};

constexpr bool is_sloppy(std::size_t page) {
    return page <= windows_1257;
}

/// The byte of each character of a code page; 0 for none.
using ByteOf = std::array<std::array<std::uint8_t, kMojibakeSlots>, kCodePages>;

const ByteOf& bytes_of_characters() {
    static const std::unique_ptr<const ByteOf> table = [] {
        auto built = std::make_unique<ByteOf>();
        for (std::size_t page = 0; page < kCodePages; ++page) {
            for (std::size_t i = 0; i < 128; ++i)
                (*built)[page][mojibake_slot(kHighHalves[page].meaning[i])] =
                    static_cast<std::uint8_t>(i + 128);
            if (is_sloppy(page))
                (*built)[page][mojibake_slot(0xfffd)] = 0x1a;
        }
        return built;
    }();
    return *table;
}

std::optional<std::string> encode_latin_1(std::u32string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char32_t code : text) {
        if (code > 0xff)
            return std::nullopt;
        out.push_back(static_cast<char>(code));
    }
    return out;
}

std::optional<std::string> encode(std::u32string_view text, std::size_t page) {
    const auto& byte_of = bytes_of_characters()[page];
    std::string out;
    out.reserve(text.size());
    for (const char32_t code : text) {
        if (code < 0x80) {
            if (code == 0x1a && is_sloppy(page))
                return std::nullopt;
            out.push_back(static_cast<char>(code));
            continue;
        }
        const std::size_t slot = mojibake_slot(code);
        if (slot == kMojibakeSlots || byte_of[slot] == 0)
            return std::nullopt;
        out.push_back(static_cast<char>(byte_of[slot]));
    }
    return out;
}

/// A view of bytes that reads as 0 past its end, which no set below holds.
class Bytes {
  public:
    explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
    std::size_t size() const { return bytes_.size(); }
    unsigned operator[](std::size_t i) const {
        return i < bytes_.size() ? static_cast<unsigned char>(bytes_[i]) : 0;
    }
    bool in(std::size_t i, unsigned low, unsigned high) const {
        return (*this)[i] >= low && (*this)[i] <= high;
    }
    bool continues(std::size_t i) const { return in(i, 0x80, 0xbf); }
    std::string_view view() const { return bytes_; }

  private:
    std::string_view bytes_;
};

/// The length of a UTF-8 sequence at `i` in which a space took the place of 0xa0, or 0. Lead bytes
/// whose characters hardly occur beside a space are left out.
std::size_t altered_length(const Bytes& b, std::size_t i) {
    const unsigned lead = b[i];
    // A second byte that is neither 0x85 (often an ellipsis) nor 0xa0.
    const auto plain = [&](std::size_t at) {
        return b.continues(at) && b[at] != 0x85 && b[at] != 0xa0;
    };
    if ((lead == 0xc2 || lead == 0xc3 || lead == 0xc5 || lead == 0xce || lead == 0xd0 ||
         lead == 0xd9) &&
        b[i + 1] == ' ')
        return 2;
    if ((lead == 0xe2 || lead == 0xe3) && b[i + 1] == ' ' && plain(i + 2))
        return 3;
    if (lead >= 0xe0 && lead <= 0xe3 && plain(i + 1) && b[i + 2] == ' ')
        return 3;
    if (lead == 0xf0) {
        const auto is_space = [&](std::size_t at) { return b[i + at] == ' '; };
        const auto more = [&](std::size_t at) { return b.continues(i + at); };
        if ((is_space(1) && more(2) && more(3)) || (more(1) && is_space(2) && more(3)) ||
            (more(1) && more(2) && is_space(3)))
            return 4;
    }
    return 0;
}

bool has_altered_sequence(std::string_view bytes) {
    const Bytes b(bytes);
    for (std::size_t i = 0; i < b.size(); ++i)
        if (b[i] >= 0xc2 && altered_length(b, i) != 0)
            return true;
    return false;
}

/// 0xc3 and a space is the word "a grave" and a space, unless it begins a word of Portuguese.
std::string restore_a_grave(std::string_view bytes) {
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        out.push_back(bytes[i]);
        if (static_cast<unsigned char>(bytes[i]) != 0xc3 || i + 1 >= bytes.size() ||
            bytes[i + 1] != ' ')
            continue;
        const std::string_view rest = bytes.substr(i + 2);
        if (rest.starts_with(" ") || rest.starts_with("quele") || rest.starts_with("quela") ||
            rest.starts_with("quilo") || rest.starts_with("s "))
            continue;
        out += "\xa0 ";
        ++i;
    }
    return out;
}

std::string restore_byte_a0(const std::string& bytes) {
    std::string out = restore_a_grave(bytes);
    const Bytes b(out);
    for (std::size_t i = 0; i < b.size();) {
        const std::size_t length = b[i] >= 0xc2 ? altered_length(b, i) : 0;
        for (std::size_t k = i; k < i + length; ++k)
            if (out[k] == ' ')
                out[k] = '\xa0';
        i += std::max<std::size_t>(length, 1);
    }
    return out;
}

/// The length of a UTF-8 sequence at `i` that lost a byte to U+FFFD (here 0x1a) or to '?', or 0.
std::size_t lossy_length(const Bytes& b, std::size_t i) {
    const unsigned lead = b[i];
    const auto lost = [&](std::size_t at) { return b[i + at] == 0x1a || b[i + at] == '?'; };
    const auto kept = [&](std::size_t at) { return b.continues(i + at); };
    const auto kept_or_1a = [&](std::size_t at) { return kept(at) || b[i + at] == 0x1a; };
    const auto any = [&](std::size_t at) { return kept(at) || lost(at); };
    if (lead >= 0xc2 && lead <= 0xdf && b[i + 1] == 0x1a)
        return 2;
    if ((lead == 0xc2 || lead == 0xc3) && b[i + 1] == '?')
        return 2;
    if (lead == 0xed && b.in(i + 1, 0xa0, 0xaf) && b[i + 3] == 0xed && b.in(i + 4, 0xb0, 0xbf) &&
        ((lost(2) && any(5)) || (any(2) && lost(5))))
        return 6;
    if (lead >= 0xe0 && lead <= 0xef && ((lost(1) && kept_or_1a(2)) || (kept_or_1a(1) && lost(2))))
        return 3;
    if (lead >= 0xf0 && lead <= 0xf4 &&
        ((lost(1) && kept_or_1a(2) && kept_or_1a(3)) ||
         (kept_or_1a(1) && lost(2) && kept_or_1a(3)) ||
         (kept_or_1a(1) && kept_or_1a(2) && lost(3))))
        return 4;
    return lead == 0x1a ? 1 : 0;
}

std::string replace_lossy_sequences(const std::string& bytes) {
    const Bytes b(bytes);
    std::string out;
    out.reserve(bytes.size());
    for (std::size_t i = 0; i < b.size();) {
        const std::size_t length = lossy_length(b, i);
        if (length == 0) {
            out.push_back(bytes[i++]);
        } else {
            out += "\xef\xbf\xbd";
            i += length;
        }
    }
    return out;
}

/// Decodes UTF-8 or nothing. Where 0xc0 or 0xed occurs, Java's two-byte zero and surrogate pairs of
/// three bytes each (CESU-8) are read too. At the very end a newline passes for a missing last
/// byte, as it does in ftfy, whose patterns say `$`.
std::optional<std::u32string> decode_variants(std::string_view bytes) {
    const Bytes b(bytes);
    const auto last_newline = [&](std::size_t at) { return b[at] == '\n' && at + 1 == b.size(); };
    std::u32string out;
    for (std::size_t i = 0; i < b.size();) {
        if (b[i] == 0xc0 && (b[i + 1] == 0x80 || last_newline(i + 1))) {
            out.push_back(0);
            i += 2;
            continue;
        }
        if (b[i] == 0xed && b.in(i + 1, 0xa0, 0xaf) && b.continues(i + 2) && b[i + 3] == 0xed &&
            b.in(i + 4, 0xb0, 0xbf) && (b.continues(i + 5) || last_newline(i + 5))) {
            out.push_back(0x10000 + ((b[i + 1] & 0x0f) << 16) + ((b[i + 2] & 0x3f) << 10) +
                          ((b[i + 4] & 0x0f) << 6) + (b[i + 5] & 0x3f));
            i += 6;
            continue;
        }
        bool valid = true;
        out.push_back(decode_utf8_at(bytes, i, valid));
        if (!valid)
            return std::nullopt;
    }
    return out;
}

/// `bytes` are the text in one code page: the text that they are in UTF-8, if they are.
std::optional<std::u32string> reinterpret_bytes(std::string bytes, bool sloppy, bool restore_a0) {
    if (restore_a0 && has_altered_sequence(bytes))
        bytes = restore_byte_a0(bytes);
    if (sloppy)
        bytes = replace_lossy_sequences(bytes);
    return decode_variants(bytes);
}

/// The end of the run of UTF-8-like sequences that begins at `begin`; `begin` where there is none.
std::size_t detect_utf8(std::u32string_view text, std::size_t begin) {
    if (begin > 0 && (mojibake_classes(text[begin - 1]) & kUtf8ContinuationStrict) != 0)
        return begin;
    std::size_t end = begin;
    while (end < text.size()) {
        const std::uint32_t lead = mojibake_classes(text[end]);
        const std::size_t more = (lead & kUtf8FirstOf2) != 0   ? 1
                                 : (lead & kUtf8FirstOf3) != 0 ? 2
                                 : (lead & kUtf8FirstOf4) != 0 ? 3
                                                               : 0;
        if (more == 0 || text.size() - end <= more)
            break;
        const std::u32string_view rest = text.substr(end + 1, more);
        if (!std::all_of(rest.begin(), rest.end(), [](char32_t code) {
                return (mojibake_classes(code) & kUtf8Continuation) != 0;
            }))
            break;
        end += 1 + more;
    }
    return end;
}

std::u32string decode_inconsistent_utf8(std::u32string_view text) {
    std::u32string out;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t end = detect_utf8(text, i);
        if (end == i) {
            out.push_back(text[i++]);
            continue;
        }
        const std::u32string_view part = text.substr(i, end - i);
        // A part shorter than the whole, so that this ends.
        if (part.size() < text.size() && looks_like_mojibake(part))
            out += fix_mojibake(std::u32string(part));
        else
            out += part;
        i = end;
    }
    return out;
}

std::u32string replace_controls(std::u32string text) {
    for (char32_t& code : text)
        code = windows_1252_meaning(code);
    return text;
}

std::u32string fix_once(const std::u32string& text) {
    const bool ascii =
        std::all_of(text.begin(), text.end(), [](char32_t code) { return code < 0x80; });
    if (ascii || !looks_like_mojibake(text))
        return text;
    const auto latin_1 = encode_latin_1(text);
    if (latin_1)
        if (auto fixed = reinterpret_bytes(*latin_1, false, true))
            return *fixed;
    for (std::size_t page = 0; page < kCodePages; ++page)
        if (auto bytes = encode(text, page))
            // In Mac OS Roman the altered sequences would be an en dash and a space.
            if (auto fixed =
                    reinterpret_bytes(std::move(*bytes), is_sloppy(page), page != macroman))
                return *fixed;
    std::u32string fixed = decode_inconsistent_utf8(text);
    if (fixed != text)
        return fixed;
    // Neither a whole reading as Windows-1252 nor one of single controls gives another text than
    // this.
    return replace_controls(text);
}

} // namespace

char32_t windows_1252_meaning(char32_t control) {
    return control >= 0x80 && control <= 0x9f ? kHighHalves[windows_1252].meaning[control - 0x80]
                                              : control;
}

std::u32string fix_mojibake(std::u32string text) {
    for (int round = 0; round < kMaxRounds; ++round) {
        std::u32string fixed = fix_once(text);
        if (fixed == text)
            break;
        text = std::move(fixed);
    }
    return text;
}

} // namespace clip

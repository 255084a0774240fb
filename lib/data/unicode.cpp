// SPDX-License-Identifier: MIT
#include "data/unicode.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip {
namespace {

constexpr char32_t kReplacement = 0xfffd;

void check(UErrorCode status, const char* what) {
    if (U_FAILURE(status))
        fail(ErrorCode::internal, concat(what, ": ", u_errorName(status)));
}

const UNormalizer2* nfc_instance() {
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2* instance = unorm2_getNFCInstance(&status);
    check(status, "load the data of Unicode normalisation");
    return instance;
}

std::u16string to_utf16(std::u32string_view text) {
    std::u16string out;
    out.reserve(text.size() + 16);
    for (const char32_t code : text) {
        if (code < 0x10000) {
            out.push_back(static_cast<char16_t>(code));
        } else {
            out.push_back(static_cast<char16_t>(0xd7c0 + (code >> 10)));
            out.push_back(static_cast<char16_t>(0xdc00 + (code & 0x3ff)));
        }
    }
    if (out.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()) / 8)
        fail(ErrorCode::invalid_argument, "clean a text: it is too long");
    return out;
}

std::u32string from_utf16(std::u16string_view text) {
    std::u32string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char32_t code = text[i];
        if ((code & 0xfc00) == 0xd800 && i + 1 < text.size())
            code = 0x10000 + ((code & 0x3ff) << 10) + (text[++i] & 0x3ff);
        out.push_back(code);
    }
    return out;
}

std::int32_t length_of(std::u16string_view text) {
    return static_cast<std::int32_t>(text.size());
}

// ICU puts combining marks in order by insertion, which a long run of them makes quadratic. A
// stable sort beforehand gives an equivalent text that has the same normal form.
constexpr std::size_t kLongRun = 64;

void order_marks(std::u32string& text, std::size_t begin, std::size_t end) {
    std::u32string run;
    for (std::size_t i = begin; i < end; ++i) {
        // The three marks that hide marks of other classes than their own.
        if (text[i] == 0x0f73 || text[i] == 0x0f75 || text[i] == 0x0f81) {
            run.push_back(0x0f71);
            run.push_back(text[i] == 0x0f73 ? 0x0f72 : text[i] == 0x0f75 ? 0x0f74 : 0x0f80);
        } else {
            run.push_back(text[i]);
        }
    }
    std::stable_sort(run.begin(), run.end(), [](char32_t a, char32_t b) {
        return u_getCombiningClass(static_cast<UChar32>(a)) <
               u_getCombiningClass(static_cast<UChar32>(b));
    });
    text.replace(begin, end - begin, run);
}

void order_long_runs_of_marks(std::u32string& text) {
    const auto is_mark = [](char32_t code) {
        return code >= 0x300 && (u_getCombiningClass(static_cast<UChar32>(code)) != 0 ||
                                 code == 0x0f73 || code == 0x0f75 || code == 0x0f81);
    };
    std::u32string out;
    std::size_t copied = 0;
    for (std::size_t i = 0; i < text.size();) {
        std::size_t end = i;
        while (end < text.size() && is_mark(text[end]))
            ++end;
        if (end - i > kLongRun) {
            out.append(text, copied, i - copied);
            std::u32string run = text.substr(i, end - i);
            order_marks(run, 0, run.size());
            out += run;
            copied = end;
        }
        i = end + 1;
    }
    if (copied != 0)
        text = out.append(text, copied, std::u32string::npos);
}

std::u32string normal_form_of(char32_t code, const UNormalizer2* form) {
    const std::u16string from = to_utf16(std::u32string_view(&code, 1));
    std::array<char16_t, 64> to{};
    UErrorCode status = U_ZERO_ERROR;
    const std::int32_t length = unorm2_normalize(form, from.data(), length_of(from), to.data(),
                                                 static_cast<std::int32_t>(to.size()), &status);
    check(status, "normalise a character");
    return from_utf16({to.data(), static_cast<std::size_t>(length)});
}

bool ends_a_word(std::u32string_view text, std::size_t sigma) {
    const auto ignorable = [](char32_t code) {
        return u_hasBinaryProperty(static_cast<UChar32>(code), UCHAR_CASE_IGNORABLE);
    };
    const auto cased = [](char32_t code) {
        return u_hasBinaryProperty(static_cast<UChar32>(code), UCHAR_CASED);
    };
    std::size_t before = sigma;
    while (before > 0 && ignorable(text[before - 1]))
        --before;
    if (before == 0 || !cased(text[before - 1]))
        return false;
    std::size_t after = sigma + 1;
    while (after < text.size() && ignorable(text[after]))
        ++after;
    return after == text.size() || !cased(text[after]);
}

} // namespace

char32_t decode_utf8_at(std::string_view bytes, std::size_t& position, bool& valid) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
    const unsigned lead = byte(position++);
    if (lead < 0x80)
        return lead;
    // The range of the second byte leaves out overlong forms, surrogates and what is past U+10FFFF.
    unsigned low = 0x80;
    unsigned high = 0xbf;
    int more = 0;
    char32_t code = 0;
    if (lead >= 0xc2 && lead <= 0xdf) {
        more = 1;
        code = lead & 0x1f;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        more = 2;
        code = lead & 0x0f;
        low = lead == 0xe0 ? 0xa0 : 0x80;
        high = lead == 0xed ? 0x9f : 0xbf;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        more = 3;
        code = lead & 0x07;
        low = lead == 0xf0 ? 0x90 : 0x80;
        high = lead == 0xf4 ? 0x8f : 0xbf;
    }
    bool complete = more > 0;
    for (; more > 0; --more) {
        if (position >= bytes.size() || byte(position) < low || byte(position) > high) {
            complete = false;
            break;
        }
        code = (code << 6) | (byte(position++) & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    if (complete)
        return code;
    valid = false;
    return kReplacement;
}

std::u32string decode_utf8(std::string_view bytes) {
    std::u32string out;
    out.reserve(bytes.size());
    bool valid = true;
    for (std::size_t i = 0; i < bytes.size();)
        out.push_back(decode_utf8_at(bytes, i, valid));
    return out;
}

void append_utf8(std::string& out, char32_t code) {
    if (code < 0x80) {
        out.push_back(static_cast<char>(code));
    } else if (code < 0x800) {
        out.push_back(static_cast<char>(0xc0 | (code >> 6)));
        out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    } else if (code < 0x10000) {
        out.push_back(static_cast<char>(0xe0 | (code >> 12)));
        out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
        out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    } else {
        out.push_back(static_cast<char>(0xf0 | (code >> 18)));
        out.push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3f)));
        out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
        out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    }
}

std::string encode_utf8(std::u32string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char32_t code : text)
        append_utf8(out, code);
    return out;
}

CharClass char_class(char32_t code) {
    if (code == 0x345 || u_isUWhiteSpace(static_cast<UChar32>(code)))
        return CharClass::skipped;
    const std::uint32_t type = U_GET_GC_MASK(static_cast<UChar32>(code));
    if ((type & U_GC_L_MASK) != 0)
        return CharClass::letter;
    return (type & U_GC_N_MASK) != 0 ? CharClass::number : CharClass::other;
}

bool is_space(char32_t code) {
    if (code < 0x80)
        return code == ' ' || (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x1f);
    return u_isUWhiteSpace(static_cast<UChar32>(code)) != 0;
}

bool is_decimal_digit(char32_t code) {
    return u_charType(static_cast<UChar32>(code)) == U_DECIMAL_DIGIT_NUMBER;
}

bool is_word(char32_t code) {
    return code == '_' || (U_GET_GC_MASK(static_cast<UChar32>(code)) & U_GC_L_MASK) != 0 ||
           u_getIntPropertyValue(static_cast<UChar32>(code), UCHAR_NUMERIC_TYPE) != U_NT_NONE;
}

std::u32string to_lower(std::u32string_view text) {
    std::u32string out;
    out.reserve(text.size() + 8);
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char32_t code = text[i];
        if (code < 0x80)
            out.push_back(code >= 'A' && code <= 'Z' ? code + 32 : code);
        else if (code == 0x130)
            out += U"i\u0307";
        else if (code == 0x3a3)
            out.push_back(ends_a_word(text, i) ? 0x3c2 : 0x3c3);
        else
            out.push_back(static_cast<char32_t>(u_tolower(static_cast<UChar32>(code))));
    }
    return out;
}

std::u32string to_upper(std::u32string_view text) {
    const std::u16string from = to_utf16(text);
    std::u16string to(from.size() * 3 + 1, u'\0');
    UErrorCode status = U_ZERO_ERROR;
    const std::int32_t length =
        u_strToUpper(to.data(), length_of(to), from.data(), length_of(from), "", &status);
    check(status, "upper-case a text");
    to.resize(static_cast<std::size_t>(length));
    return from_utf16(to);
}

std::u32string to_nfc(std::u32string text) {
    // Nothing below U+0300 combines with anything below it.
    if (std::none_of(text.begin(), text.end(), [](char32_t code) { return code >= 0x300; }))
        return text;
    order_long_runs_of_marks(text);
    const UNormalizer2* nfc = nfc_instance();
    const std::u16string from = to_utf16(text);
    UErrorCode status = U_ZERO_ERROR;
    const std::int32_t normal =
        unorm2_spanQuickCheckYes(nfc, from.data(), length_of(from), &status);
    check(status, "normalise a text");
    if (static_cast<std::size_t>(normal) == from.size())
        return text;
    // A code unit becomes at most three in form C.
    std::u16string to(from.size() * 3 + 1, u'\0');
    const std::int32_t length =
        unorm2_normalize(nfc, from.data(), length_of(from), to.data(), length_of(to), &status);
    check(status, "normalise a text");
    to.resize(static_cast<std::size_t>(length));
    return from_utf16(to);
}

std::u32string nfkc_of(char32_t code) {
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2* nfkc = unorm2_getNFKCInstance(&status);
    check(status, "load the data of Unicode normalisation");
    return normal_form_of(code, nfkc);
}

std::u32string nfkd_of(char32_t code) {
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2* nfkd = unorm2_getNFKDInstance(&status);
    check(status, "load the data of Unicode normalisation");
    return normal_form_of(code, nfkd);
}

bool is_mark(char32_t code) {
    return (U_GET_GC_MASK(static_cast<UChar32>(code)) & U_GC_M_MASK) != 0;
}

bool is_invisible(char32_t code) {
    return (U_GET_GC_MASK(static_cast<UChar32>(code)) & (U_GC_CC_MASK | U_GC_CF_MASK)) != 0 ||
           u_hasBinaryProperty(static_cast<UChar32>(code), UCHAR_DEFAULT_IGNORABLE_CODE_POINT);
}

} // namespace clip

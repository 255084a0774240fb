// SPDX-License-Identifier: MIT
#include "io/json_text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/utf8.hpp"

namespace clip::io {

namespace {

constexpr std::size_t kMaxDepth = 256; // recursion; no sane record nests deeper

bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

/// Shortest round trip, then without what JSON does not need in an exponent: 1e-07 -> 1e-7.
template <typename Float>
void append_shortest(std::string& out, Float value) {
    if (!std::isfinite(value))
        fail(ErrorCode::invalid_argument, "write json: a number is not finite");
    char buffer[32];
    char* end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    const std::string_view digits(buffer, static_cast<std::size_t>(end - buffer));
    const std::size_t exponent = digits.find('e');
    if (exponent == std::string_view::npos) {
        out += digits;
        return;
    }
    out += digits.substr(0, exponent + 1);
    if (digits[exponent + 1] == '-')
        out += '-';
    std::size_t first = exponent + 2;
    while (first + 1 < digits.size() && digits[first] == '0')
        ++first;
    out += digits.substr(first);
}

// 10^0 ... 10^22, all exact in double.
constexpr std::array<double, 23> kPowersOfTen = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/// Whether a number that no float can hold is too small rather than too large.
bool is_below_one(std::string_view number) {
    const std::size_t end = std::min(number.find_first_of("eE"), number.size());
    std::int64_t exponent = 0;
    if (end < number.size()) {
        const std::size_t sign = number[end + 1] == '-' || number[end + 1] == '+' ? 1 : 0;
        for (const char digit : number.substr(end + 1 + sign))
            exponent = std::min<std::int64_t>(exponent * 10 + (digit - '0'), std::int64_t{1} << 40);
        exponent = number[end + 1] == '-' ? -exponent : exponent;
    }
    const std::size_t point = std::min(number.substr(0, end).find('.'), end);
    const std::size_t first = number.find_first_of("123456789");
    // The number is d.ddd * 10^power.
    const auto power = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
    return exponent + (power > 0 ? power - 1 : power) < 0;
}

/// mantissa * 10^exponent as a float32 that is rounded correctly, or false where this cannot tell.
///
/// Both factors are exact in double, so one operation rounds correctly to double. Rounding again to
/// float32 can only go wrong where that double lies exactly half way between two float32 numbers.
bool fast_float32(std::uint64_t mantissa, std::int64_t exponent, float& out) {
    if (mantissa > (std::uint64_t{1} << 53) || exponent < -22 || exponent > 22)
        return false;
    const double power =
        kPowersOfTen[static_cast<std::size_t>(exponent < 0 ? -exponent : exponent)];
    const double value = exponent < 0 ? static_cast<double>(mantissa) / power
                                      : static_cast<double>(mantissa) * power;
    constexpr std::uint64_t kDroppedBits = (std::uint64_t{1} << 29) - 1;
    if ((std::bit_cast<std::uint64_t>(value) & kDroppedBits) == std::uint64_t{1} << 28)
        return false;
    if (value != 0 && (value < 0x1p-126 || value > 0x1.fffffep127))
        return false;
    out = static_cast<float>(value);
    return true;
}

} // namespace

void append_json_string(std::string& out, std::string_view text) {
    const std::size_t valid = utf8_valid_prefix(text);
    if (valid != text.size())
        fail(ErrorCode::bad_format, concat("write json: not UTF-8 at byte ", valid + 1));
    constexpr std::string_view kHex = "0123456789abcdef";
    out += '"';
    std::size_t written = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto code = static_cast<unsigned char>(text[at]);
        if (code >= 0x20 && code != '"' && code != '\\')
            continue;
        out += text.substr(written, at - written);
        written = at + 1;
        switch (code) {
        case '"':
            out += "\\\"";
            break;
        case '\\':
            out += "\\\\";
            break;
        case '\b':
            out += "\\b";
            break;
        case '\f':
            out += "\\f";
            break;
        case '\n':
            out += "\\n";
            break;
        case '\r':
            out += "\\r";
            break;
        case '\t':
            out += "\\t";
            break;
        default:
            out += "\\u00";
            out += kHex[code >> 4];
            out += kHex[code & 15];
        }
    }
    out += text.substr(written);
    out += '"';
}

void append_json_float(std::string& out, float value) {
    append_shortest(out, value);
}
void append_json_double(std::string& out, double value) {
    append_shortest(out, value);
}

void append_json_floats(std::string& out, std::span<const float> values) {
    out += '[';
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (i != 0)
            out += ',';
        append_json_float(out, values[i]);
    }
    out += ']';
}

void JsonScanner::fail_here(std::string_view what) const {
    if (at_ >= text_.size())
        fail(ErrorCode::truncated, concat("the JSON record is cut off: ", what, " at its end"));
    fail(ErrorCode::bad_format, concat("not a JSON record: ", what, " at column ", at_ + 1));
}

void JsonScanner::skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n'))
        ++at_;
}

char JsonScanner::peek() {
    skip_space();
    return at_end() ? '\0' : text_[at_];
}

bool JsonScanner::accept(char wanted) {
    if (peek() != wanted || at_end())
        return false;
    ++at_;
    return true;
}

void JsonScanner::expect(char wanted) {
    if (!accept(wanted)) {
        const char quoted[] = {'\'', wanted, '\'', ' ', 'i', 's', ' ',
                               'w',  'a',    'n',  't', 'e', 'd'};
        fail_here(std::string_view(quoted, sizeof quoted));
    }
}

void JsonScanner::skip_string() {
    expect('"');
    while (true) {
        if (at_end())
            fail_here("a string has no closing quote");
        const char byte = text_[at_];
        if (byte == '"') {
            ++at_;
            return;
        }
        if (static_cast<unsigned char>(byte) < 0x20)
            fail_here("a control character in a string");
        ++at_;
        if (byte != '\\')
            continue;
        if (at_end())
            fail_here("a string has no closing quote");
        const char escape = text_[at_];
        if (escape == 'u') {
            ++at_;
            read_hex4();
        } else if (std::string_view("\"\\/bfnrt").find(escape) != std::string_view::npos) {
            ++at_;
        } else {
            fail_here("an unknown escape in a string");
        }
    }
}

unsigned JsonScanner::read_hex4() {
    unsigned value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
        const char digit = at_end() ? '\0' : text_[at_];
        if (is_digit(digit))
            value = value * 16 + static_cast<unsigned>(digit - '0');
        else if (digit >= 'a' && digit <= 'f')
            value = value * 16 + static_cast<unsigned>(digit - 'a' + 10);
        else if (digit >= 'A' && digit <= 'F')
            value = value * 16 + static_cast<unsigned>(digit - 'A' + 10);
        else
            fail_here("\\u is not followed by four hex digits");
    }
    return value;
}

std::string JsonScanner::read_string() {
    skip_space();
    const std::size_t start = at_;
    skip_string();
    const std::size_t end = at_ - 1;
    const std::string_view raw = text_.substr(start + 1, end - start - 1);
    if (raw.find('\\') == std::string_view::npos)
        return std::string(raw);
    std::string out;
    for (at_ = start + 1; at_ < end;) {
        const char byte = text_[at_++];
        if (byte != '\\') {
            out += byte;
            continue;
        }
        switch (const char escape = text_[at_++]) {
        case 'b':
            out += '\b';
            break;
        case 'f':
            out += '\f';
            break;
        case 'n':
            out += '\n';
            break;
        case 'r':
            out += '\r';
            break;
        case 't':
            out += '\t';
            break;
        case 'u': {
            std::uint32_t scalar = read_hex4();
            if (scalar >= 0xd800 && scalar < 0xe000) {
                const bool paired = scalar < 0xdc00 && text_.substr(at_, 2) == "\\u";
                at_ += paired ? 2 : 0;
                const std::uint32_t low = paired ? read_hex4() : 0;
                if (low < 0xdc00 || low > 0xdfff)
                    fail_here("half of a surrogate pair");
                scalar = 0x10000 + ((scalar - 0xd800) << 10) + (low - 0xdc00);
            }
            append_utf8(out, scalar);
            break;
        }
        default:
            out += escape;
        }
    }
    at_ = end + 1;
    return out;
}

void JsonScanner::skip_number() {
    if (!at_end() && text_[at_] == '-')
        ++at_;
    const auto take_digits = [this] {
        if (at_end() || !is_digit(text_[at_]))
            fail_here("a value is wanted");
        while (!at_end() && is_digit(text_[at_]))
            ++at_;
    };
    if (!at_end() && text_[at_] == '0')
        ++at_;
    else
        take_digits();
    if (!at_end() && text_[at_] == '.') {
        ++at_;
        take_digits();
    }
    if (!at_end() && (text_[at_] == 'e' || text_[at_] == 'E')) {
        ++at_;
        if (!at_end() && (text_[at_] == '+' || text_[at_] == '-'))
            ++at_;
        take_digits();
    }
}

float JsonScanner::read_float() {
    skip_space();
    const std::size_t start = at_;
    const char* const begin = text_.data();
    const char* const end = begin + text_.size();
    const char* at = begin + at_;
    const bool negative = at != end && *at == '-';
    at += negative ? 1 : 0;
    std::uint64_t mantissa = 0;
    const char* const first = at;
    while (at != end && is_digit(*at))
        mantissa = mantissa * 10 + static_cast<std::uint64_t>(*at++ - '0');
    std::ptrdiff_t digits = at - first;
    std::int64_t exponent = 0;
    bool plain = digits > 0 && (digits == 1 || *first != '0');
    if (at != end && *at == '.') {
        const char* const fraction = ++at;
        while (at != end && is_digit(*at))
            mantissa = mantissa * 10 + static_cast<std::uint64_t>(*at++ - '0');
        exponent = fraction - at;
        digits -= static_cast<std::ptrdiff_t>(exponent);
        plain = plain && at != fraction;
    }
    if (plain && at != end && (*at == 'e' || *at == 'E')) {
        ++at;
        const bool down = at != end && *at == '-';
        if (at != end && (*at == '-' || *at == '+'))
            ++at;
        const char* const power = at;
        std::int64_t value = 0;
        for (; at != end && is_digit(*at); ++at)
            value = value < 100000 ? value * 10 + (*at - '0') : value;
        plain = at != power;
        exponent += down ? -value : value;
    }
    float out = 0;
    // At most 19 digits, so that the mantissa did not wrap.
    if (plain && digits <= 19 && fast_float32(mantissa, exponent, out)) {
        at_ = static_cast<std::size_t>(at - begin);
        return negative ? -out : out;
    }
    skip_number();
    const std::string_view number = text_.substr(start, at_ - start);
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), out);
    if (parsed.ec == std::errc::result_out_of_range) {
        if (is_below_one(number))
            return negative ? -0.0F : 0.0F;
        out = HUGE_VALF;
    }
    if (!std::isfinite(out)) {
        at_ = start;
        fail_here("a number that float32 cannot hold");
    }
    return out;
}

void JsonScanner::read_floats(std::vector<float>& out) {
    expect('[');
    out.clear();
    if (accept(']'))
        return;
    while (true) {
        out.push_back(read_float());
        if (at_ < text_.size() && text_[at_] == ',')
            ++at_;
        else if (!accept(','))
            break;
    }
    expect(']');
}

void JsonScanner::skip_literal(std::string_view literal) {
    for (const char wanted : literal) {
        if (at_end() || text_[at_] != wanted)
            fail_here("a value is wanted");
        ++at_;
    }
}

void JsonScanner::skip_value() {
    skip_nested(0);
}

void JsonScanner::skip_nested(std::size_t depth) {
    if (depth > kMaxDepth)
        fail_here("too many nested values");
    switch (peek()) {
    case '"':
        return skip_string();
    case 't':
        return skip_literal("true");
    case 'f':
        return skip_literal("false");
    case 'n':
        return skip_literal("null");
    case '[':
        expect('[');
        if (accept(']'))
            return;
        do
            skip_nested(depth + 1);
        while (accept(','));
        return expect(']');
    case '{':
        expect('{');
        if (accept('}'))
            return;
        do {
            skip_space();
            skip_string();
            expect(':');
            skip_nested(depth + 1);
        } while (accept(','));
        return expect('}');
    default:
        return skip_number();
    }
}

} // namespace clip::io

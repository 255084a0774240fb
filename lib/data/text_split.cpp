// SPDX-License-Identifier: MIT
#include "data/text_split.hpp"

#include <array>

#include "data/unicode.hpp"

namespace clip {
namespace {

constexpr std::array<CharClass, 128> kAsciiClass = [] {
    std::array<CharClass, 128> classes{};
    for (std::size_t c = 0; c < 128; ++c) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool space = c == ' ' || (c >= 0x09 && c <= 0x0d);
        classes[c] = letter                 ? CharClass::letter
                     : c >= '0' && c <= '9' ? CharClass::number
                     : space                ? CharClass::skipped
                                            : CharClass::other;
    }
    return classes;
}();

/// The class of the character at `at`, which is moved behind it.
CharClass class_at(std::string_view text, std::size_t& at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
        ++at;
        return kAsciiClass[byte];
    }
    bool valid = true;
    return char_class(decode_utf8_at(text, at, valid));
}

/// How many bytes of `text` spell `what`, where a long s counts as an s; 0 if it does not begin so.
std::size_t match_ignoring_case(std::string_view text, std::string_view what) {
    std::size_t i = 0;
    for (const char c : what) {
        if (i < text.size() && text[i] == c)
            ++i;
        else if (c == 's' && text.substr(i, 2) == "\xc5\xbf")
            i += 2;
        else
            return 0;
    }
    return i;
}

std::size_t match_fixed_word(std::string_view text) {
    constexpr std::array<std::string_view, 2> kMarks = {kStartMark, kEndMark};
    constexpr std::array<std::string_view, 7> kContractions = {"'s", "'t",  "'re", "'ve",
                                                               "'m", "'ll", "'d"};
    const auto first_match = [&](const auto& words) {
        for (const std::string_view word : words)
            if (const std::size_t length = match_ignoring_case(text, word))
                return length;
        return std::size_t{0};
    };
    if (text.front() == '<')
        return first_match(kMarks);
    return text.front() == '\'' ? first_match(kContractions) : 0;
}

} // namespace

std::optional<std::string_view> WordSplitter::next() {
    while (at_ < text_.size()) {
        const std::size_t begin = at_;
        if (const std::size_t length = match_fixed_word(text_.substr(at_))) {
            at_ += length;
            return text_.substr(begin, length);
        }
        const CharClass first = class_at(text_, at_);
        if (first == CharClass::skipped)
            continue;
        if (first != CharClass::number) {
            std::size_t behind = at_;
            while (behind < text_.size() && class_at(text_, behind) == first)
                at_ = behind;
        }
        return text_.substr(begin, at_ - begin);
    }
    return std::nullopt;
}

} // namespace clip

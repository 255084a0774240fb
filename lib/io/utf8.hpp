// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace clip::io {

/// The length in bytes of the longest prefix of `text` that is well-formed UTF-8; `text.size()`
/// when all of it is. Overlong forms, surrogates and values over U+10FFFF are ill-formed.
/// Source: Unicode 15, table 3-7.
std::size_t utf8_valid_prefix(std::string_view text);

inline bool is_valid_utf8(std::string_view text) {
    return utf8_valid_prefix(text) == text.size();
}

/// Appends a Unicode scalar value (at most U+10FFFF, no surrogate) in UTF-8.
void append_utf8(std::string& out, std::uint32_t scalar);

} // namespace clip::io

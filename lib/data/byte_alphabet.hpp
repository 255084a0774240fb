// SPDX-License-Identifier: MIT
// The letters that stand for bytes in vocabularies.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace clip {

/// A byte's letter is itself where it is printable in Latin-1, else one from U+0100 on.
struct ByteAlphabet {
    std::array<std::string, 256> letter;     ///< in UTF-8
    std::array<unsigned char, 256> in_order; ///< the bytes as the vocabulary lists them
    std::array<unsigned char, 256> position; ///< the inverse: position[in_order[i]] is i
};

const ByteAlphabet& byte_alphabet();

/// Ends the spelling of a symbol that ends a word.
inline constexpr std::string_view kWordEnd = "</w>";

} // namespace clip

// SPDX-License-Identifier: MIT
// What is done to a text before it is split into words.
#pragma once

#include <string>
#include <string_view>

namespace clip {

/// The repairs of ftfy 6.3's fix_text with its default settings, line by line: HTML references
/// (until a line holds '<'), mojibake, C1 controls, Latin ligatures, character widths, curly
/// quotes, line breaks, terminal escapes, control characters, normalisation form C; again until
/// nothing changes, but at most 16 times.
std::u32string repair_text(std::u32string_view text);

/// The text that the tokenizer splits, in UTF-8: invalid bytes replaced by U+FFFD, repaired,
/// HTML references resolved twice, white space collapsed to single spaces and stripped,
/// lower-cased.
std::string clean_text(std::string_view bytes);

} // namespace clip

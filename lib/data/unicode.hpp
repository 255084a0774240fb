// SPDX-License-Identifier: MIT
// The few Unicode operations that cleaning and splitting text need, over code points.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace clip {

/// Decodes UTF-8; each maximal invalid part (Unicode 15, table 3-8) becomes one U+FFFD, as Python's
/// errors='replace' does it. Surrogates are invalid.
std::u32string decode_utf8(std::string_view bytes);

/// One code point of `bytes` at `position` (which must be inside), which is moved behind it; U+FFFD
/// for a maximal invalid part. `valid` is set to false there and left alone otherwise.
char32_t decode_utf8_at(std::string_view bytes, std::size_t& position, bool& valid);

/// Appends the UTF-8 form of `code`, which must not be a surrogate.
void append_utf8(std::string& out, char32_t code);
std::string encode_utf8(std::u32string_view text);

/// What the tokenizer's pattern tells apart.
enum class CharClass : std::uint8_t { letter, number, other, skipped };

/// The class of a character under the pattern's IGNORECASE. White space is `skipped`, and so is
/// U+0345: a mark whose upper case is a letter, so that neither "letters" nor "no letters" takes
/// it.
CharClass char_class(char32_t code);

/// White space as Python's str.isspace() and str.split() see it.
bool is_space(char32_t code);
/// A decimal digit of any script, `\d`.
bool is_decimal_digit(char32_t code);
/// A letter, a character with a numeric value, or '_': `\w`.
bool is_word(char32_t code);

/// Full lower-casing without a locale: U+0130 becomes two code points, and a capital sigma at the
/// end of a word the final one.
std::u32string to_lower(std::u32string_view text);
/// Full upper-casing without a locale.
std::u32string to_upper(std::u32string_view text);

/// Normalisation form C. Runs of marks of any length cost n log n.
std::u32string to_nfc(std::u32string text);
/// Normalisation form KC of one code point.
std::u32string nfkc_of(char32_t code);
/// Normalisation form KD of one code point: a letter and its accents come apart.
std::u32string nfkd_of(char32_t code);
/// A mark that is drawn onto the character before it, such as an accent.
bool is_mark(char32_t code);
/// A character that shows nothing: a control, a joiner, a variation selector, a direction mark.
bool is_invisible(char32_t code);

} // namespace clip

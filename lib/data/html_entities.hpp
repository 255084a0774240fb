// SPDX-License-Identifier: MIT
// HTML character references, read as Python's html.unescape and as ftfy read them.
#pragma once

#include <string>
#include <string_view>

namespace clip {

/// Replaces every character reference as HTML 5 says: names with and without a semicolon (the
/// longest that fits), decimal and hexadecimal numbers, the Windows-1252 meaning of 0x80 to 0x9f,
/// U+FFFD for surrogates and numbers past U+10FFFF, nothing for invalid code points.
std::u32string unescape_html(std::u32string_view text);

/// The careful kind that ftfy applies first: only whole references that end with a semicolon, names
/// also where they are upper-cased and mean nothing else (`&NTILDE;`), and no reference that stands
/// for a semicolon.
std::u32string unescape_html_strictly(std::u32string_view text);

} // namespace clip

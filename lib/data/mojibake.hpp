// SPDX-License-Identifier: MIT
// Repair of text that was decoded with the wrong code page, by the rule of ftfy 6.3.
#pragma once

#include <string>
#include <string_view>

namespace clip {

/// Whether the text holds a sequence that hardly occurs but where UTF-8 was read as a code page.
bool looks_like_mojibake(std::u32string_view text);

/// Decodes such text again, as often as it helps: whole where one code page explains all of it,
/// else the parts that are plainly UTF-8. Text that looks right is returned as it is.
std::u32string fix_mojibake(std::u32string text);

/// The character that Windows-1252 has at a C1 control; the control where it has none.
char32_t windows_1252_meaning(char32_t control);

} // namespace clip

// SPDX-License-Identifier: MIT
// Texts and numbers for SVG and HTML, whatever bytes they come from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace clip {

/// Text for XML and HTML, between tags or between quotes: `& < > " '` are escaped, broken UTF-8 and
/// characters that XML forbids become U+FFFD.
std::string escape_markup(std::string_view text);

/// A number with at most two decimals, without needless zeros, whatever the locale.
std::string format_coordinate(double value);

/// Base64 of RFC 4648, with padding.
std::string to_base64(std::span<const std::uint8_t> bytes);

/// The bytes of a path for a URL: letters, digits, `-._~` and `/` as they are, everything else
/// percent-encoded, `:` too, so that no path can be taken for a scheme.
std::string escape_url_path(std::string_view path);

} // namespace clip

// SPDX-License-Identifier: MIT
// How a path, which may hold any byte but NUL, is written where only UTF-8 is legal.
#pragma once

#include <string>
#include <string_view>

namespace clip::io {

/// The spelling of a path in JSON and in HDF5 items.
///
/// A path in UTF-8 stays as it is. Any other is written as `file:` and its bytes, with control
/// bytes, `%` and bytes over 0x7E percent-encoded: `file:caf%E9.jpg`. A path that itself begins
/// with `file:` is written so too, and path_from_utf8() is therefore an exact inverse.
std::string path_to_utf8(std::string_view path);

/// The bytes of a path spelt as above.
/// Errors: bad_format (after `file:`, a `%` without two hex digits, or %00).
std::string path_from_utf8(std::string_view spelling);

} // namespace clip::io

// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace clip::app {

/// Appends a field of a line of tab-separated values: tab, newline, carriage return and backslash
/// as \t, \n, \r and \\; other bytes stay.
void append_tsv_field(std::string& out, std::string_view text);

} // namespace clip::app

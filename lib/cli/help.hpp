// SPDX-License-Identifier: MIT
// The text of --help.
#pragma once

#include "cli/option_table.hpp"

#include <string>
#include <string_view>

namespace clip::cli {

/// No line of the help text is longer than this many columns.
inline constexpr std::size_t kHelpColumns = 80;

/// Usage, summary, operands, subcommands, options under their headings, and the footer (examples)
/// as it stands. `prefix` is the command's name when `table` is one of its subcommands. The details
/// of the options are left to the man page.
std::string help_text(const CommandTable& table, std::string_view prefix = "");

/// Breaks `text` at blanks into lines of at most `columns`, each after `indent` blanks but the
/// first, which begins at column `first`. A word that is longer stands alone. Ends in a line break.
std::string wrapped(std::string_view text, std::size_t first, std::size_t indent,
                    std::size_t columns = kHelpColumns);

} // namespace clip::cli

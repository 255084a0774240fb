// SPDX-License-Identifier: MIT
// The option list of a manual page, in man(7) macros. man/generate.sh puts it into the prose.
#pragma once

#include "cli/option_table.hpp"

#include <string>
#include <string_view>

namespace clip::cli {

/// `text` with everything escaped that roff would take for a request or another character. Hyphens
/// come out as "\-", so that an option can be copied from the page.
std::string roff_escaped(std::string_view text);

/// The options under .SS headings, operands first; subcommands after them, each with its own.
std::string man_options(const CommandTable& table);

} // namespace clip::cli

// SPDX-License-Identifier: MIT
// Completions for three shells, written from the table of options. Each is a file of its own that
// needs nothing but the shell: bash's does without the bash-completion package.
#pragma once

#include "cli/option_table.hpp"

#include <string>

namespace clip::cli {

std::string bash_completion(const CommandTable& table); ///< completions/bash/NAME
std::string zsh_completion(const CommandTable& table);  ///< completions/zsh/_NAME
std::string fish_completion(const CommandTable& table); ///< completions/fish/NAME.fish

} // namespace clip::cli

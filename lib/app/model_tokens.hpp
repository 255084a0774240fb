// SPDX-License-Identifier: MIT
// `clip-model tokens`: what the tokenizer makes of texts.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "app/reporter.hpp"
#include "data/tokenizer.hpp"

namespace clip::app {

/// Writes a JSON line {"text":...,"tokens":[...]} a text, without start and end marks. Texts are
/// the operands; where there are none, or for "-", the lines of standard input (with
/// `null_separated`, what stands between NULs). A text that is not UTF-8 is an error that the
/// reporter names, and the rest goes on. Errors: those of writing to `out` and of reading standard
/// input.
void print_tokens(const Tokenizer& tokenizer, const std::vector<std::string>& operands,
                  bool null_separated, std::ostream& out, Reporter& reporter);

} // namespace clip::app

// SPDX-License-Identifier: MIT
// The files of a tokenizer, to be put beside a model.
#pragma once

#include "app/environment.hpp"
#include "data/tokenizer.hpp"
#include "model/checkpoint.hpp"
#include "model/config_writer.hpp"

namespace clip::app {

/// vocab.json with merges.txt, or tokenizer.json, from where the tokenizer was read. Errors: those
/// of reading them.
TextFiles tokenizer_text(const Tokenizer& tokenizer);

/// Those of the tokenizer that the commands would use with the checkpoint; none where there is no
/// tokenizer. Errors: those of find_tokenizer() and of reading its files.
TextFiles checkpoint_tokenizer(const Checkpoint& checkpoint, const Environment& environment);

} // namespace clip::app

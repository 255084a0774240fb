// SPDX-License-Identifier: MIT
// What can be wrong with a command line of clip-classify before anything is opened.
#pragma once

#include <cstdint>
#include <string>

#include "app/classify.hpp"

namespace clip::app {

enum class AnswerFormat : std::uint8_t { jsonl, tsv };

/// The format that a file's name ends in (.jsonl, .ndjson, .json, .tsv, in any case), else the one
/// of --format, else JSON lines.
/// Errors: invalid_argument (an unknown format, a name that says another format than --format, a
/// name of something that is not written here: .h5, .hdf5, .npy, .csv, a picture's).
AnswerFormat choose_answer_format(const std::string& path, const std::string& format);

/// Errors: invalid_argument (--summary without --truth, standard input read twice, two outputs that
/// are one file).
void check_options(const ClassifyOptions& options);

} // namespace clip::app

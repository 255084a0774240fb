// SPDX-License-Identifier: MIT
// The files of words that a classifier is made of.
#pragma once

#include <string>
#include <vector>

#include "model/zero_shot.hpp"

namespace clip::app {

/// Lines of a text file without their line ends (LF or CRLF) and without a byte-order mark. "-" is
/// standard input.
/// Errors: not_found, io_failure, bad_format (not UTF-8, with the line's number).
std::vector<std::string> read_text_lines(const std::string& path);

/// One class a line: the label; after a tab, the names that stand for it in prompts, separated by
/// '|'. Without a tab the label is its own name. Spaces around labels and names are dropped, blank
/// lines passed over.
/// Errors: as read_text_lines, and bad_format (an empty label, no names after the tab).
std::vector<ClassNames> read_label_file(const std::string& path);

/// One prompt template a line; blank lines are passed over.
/// Errors: as read_text_lines, and bad_format (no "{}" in a line).
std::vector<std::string> read_template_file(const std::string& path);

/// The classes of a command line: --label values first, then the file's.
/// Errors: invalid_argument (none at all, or a label twice), and those of read_label_file.
std::vector<ClassNames> gather_classes(const std::vector<std::string>& labels,
                                       const std::string& file);

inline constexpr const char* kDefaultTemplate = "a photo of a {}.";

/// The prompt templates of a command line: --template values first, then the file's;
/// kDefaultTemplate where neither is given.
/// Errors: invalid_argument (a file is given, and there are none), and those of read_template_file.
std::vector<std::string> gather_templates(std::vector<std::string> templates,
                                          const std::string& file);

} // namespace clip::app

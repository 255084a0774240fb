// SPDX-License-Identifier: MIT
// What can be wrong with the files of a command line before any of them is opened.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace clip::app {

/// An option and the file that it was given.
struct FileOption {
    const char* option;
    std::string path; ///< empty: not given
};

/// Errors: invalid_argument (standard input would be read twice). `operands`: none is standard
/// input too.
void check_standard_input(std::span<const FileOption> files, std::span<const std::string> operands);

/// Errors: invalid_argument (two outputs that are one file, however it is spelt). Two outputs may
/// both go to a stream such as /dev/null.
void check_distinct_outputs(std::span<const FileOption> files);

/// Errors: invalid_argument (an output that is a file which is read).
void check_outputs_are_not_inputs(std::span<const FileOption> outputs,
                                  std::span<const std::string> inputs);

/// The ending of a file's name, with its dot, in lower case.
std::string lower_extension(const std::string& path);

} // namespace clip::app

// SPDX-License-Identifier: MIT
// Starts a program without a shell and keeps what it printed.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace clip::test {

struct Outcome {
    int status = 0; ///< exit status, or 128 + the signal that ended it, as a shell counts
    std::string out;
    std::string err;
};

struct StartOptions {
    std::vector<std::string> environment; ///< "NAME=value", added to this process's own
    std::function<void()> in_child;       ///< runs before exec, after the pipes are in place
    /// Called with the child's process id once it has printed its first line.
    std::function<void(int)> after_first_line;
};

/// `arguments[0]` is the path of the program. Standard input is /dev/null.
Outcome start(const std::vector<std::string>& arguments, const StartOptions& options = {});

} // namespace clip::test

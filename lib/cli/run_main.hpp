// SPDX-License-Identifier: MIT
// What every main() does around its one call into app/.
#pragma once

#include "cli/diagnostics.hpp"
#include "cli/exit_status.hpp"
#include "cli/progress.hpp"

#include <atomic>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace clip::cli {

/// What a command is given to run with.
struct RunContext {
    const std::string& command;    ///< the subcommand that was named; empty where there are none
    std::ostream& out;             ///< standard output: throws Error when a write fails
    Diagnostics& diagnostics;      ///< standard error
    const std::atomic<bool>& stop; ///< true once Ctrl-C was pressed
    ProgressStyle progress;        ///< by --quiet, --progress and whether a terminal is there
};

/// A command: its name, its options, and what it does.
struct Program {
    std::string name;    ///< "clip-embed"
    std::string summary; ///< one line without a dot at its end, for --help
    std::string version; ///< "0.1.0"
    /// Further lines of --version: what it is built on. Called only when they are wanted.
    std::function<std::vector<std::string>()> version_lines;
    /// Examples for the end of --help, at most 80 columns wide.
    std::string examples;
    /// Declares options (cli/declare.hpp) and subcommands; targets must live until run_main
    /// returns.
    std::function<void(CLI::App&)> define;
    /// Does the work and returns an exit status. Failures of inputs go to diagnostics.error().
    std::function<int(RunContext&)> run;
};

/// Reads the command line, runs the program and returns its exit status.
///
/// - Numbers follow the "C" locale; descriptors 0 to 2 are open; signals are as in stop_flag.hpp.
/// - --help, -h and --version print to standard output, 0.
/// - --generate=KIND, alone, prints man-options, bash, zsh, fish, table (name, tab, text of each
///   option: the tests compare them across commands) or faults (what breaks the rules for tables).
/// - Wrong usage and exceptions out of run() become "NAME: message" and status 2. Error with the
/// code
///   `interrupted` becomes 130 in silence, or 128 + the signal where it was SIGTERM or SIGHUP, as
///   does a status of kInterrupted.
/// - A status of kDone becomes kSomeFailed when diagnostics counted failures.
/// - Standard output is flushed and closed, checked; failing makes status 2. Where its reader has
/// gone,
///   the process ends by SIGPIPE as grep does: silently, and a shell sees 141.
int run_main(int argc, char** argv, const Program& program);

} // namespace clip::cli

// SPDX-License-Identifier: MIT
// Reads a command line the way GNU's getopt_long does, into the options of a CLI::App.
//
// CLI11's own parser is not used: it takes the next argument for "--opt=" with nothing behind it,
// lets lists swallow the operands after them, splits operands such as "[a,b]", and its messages
// name neither the value nor what would have been right. Its table, checks, conversions and
// relations between options (needs, excludes, required) are.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace clip::cli {

enum class Request {
    run,     ///< everything was read; targets are set
    help,    ///< --help or -h was met
    version, ///< --version was met
};

struct ParsedArguments {
    Request request = Request::run;
    CLI::App* command = nullptr; ///< the subcommand that was named, else the App itself
};

/// Reads `arguments` (without the program's name) and sets the targets of the options of `app`.
///
/// Options and operands mix freely up to "--". "--name VALUE", "--name=VALUE", "-n VALUE",
/// "-nVALUE" and "-abc" are understood, a value may begin with a dash, and a long name may be cut
/// short while it stays unique. Options of the command hold for its subcommands too. --help and
/// --version end the reading where they are met.
///
/// Errors: invalid_argument, whose message names the option and what it wants.
ParsedArguments parse_arguments(CLI::App& app, const std::vector<std::string>& arguments);

/// The candidate that `word` was probably meant to be, or an empty string: at most a third of
/// the letters may differ (Damerau-Levenshtein, neighbours swapped counting once).
std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates);

} // namespace clip::cli

// SPDX-License-Identifier: MIT
// The one table of a command's options, read from its CLI::App. The help text, the option lists of
// the man pages, the completions and the hints after a mistyped option all walk this table; none of
// them looks into CLI11.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace clip::cli {

/// The heading of --help and --version, which stand last.
inline constexpr const char* kHelpGroup = "Help";

/// What a shell may offer for a value.
///
/// It follows from the value's name, so that the help text and the completions cannot disagree. A
/// name is a list of alternatives between '|'. One without capitals is a word to be typed as it
/// stands ("jsonl|h5|npy"); "[...]" after a word is an optional rest ("cuda[:N]"). One with
/// capitals is a placeholder: FOLDER is a folder; FILE, INPUT, IMAGE, MODEL, CANDIDATE, DATA and
/// names that begin with "FILE" or "CHECKPOINT" are files; every other is free text.
struct ValueShape {
    std::vector<std::string> words; ///< the literal alternatives, without their optional rest
    bool files = false;             ///< a path to a file or a folder fits
    bool folders = false;           ///< a path to a folder fits, and a file does not
    bool open = false;              ///< something else than the words fits too
};

ValueShape value_shape(std::string_view value_name);

/// True when `value` is one of the words of `value_name` (with its optional rest, if it has one).
bool is_word_of(std::string_view value_name, std::string_view value);

/// One option, or one operand when it has no names.
struct OptionRow {
    std::vector<std::string> short_names; ///< "m", without the dash
    std::vector<std::string> long_names;  ///< "model", without the dashes
    std::string value_name;               ///< "FILE", or empty for a switch
    std::string brief;                    ///< one line, at most 60 columns
    std::string details;                  ///< the rest of the man page's text; may be empty
    std::string default_text;             ///< what holds when the option is not given; may be empty
    std::string group;                    ///< the heading that it stands under
    bool repeats = false;                 ///< giving it again adds to the list
    bool required = false;

    bool takes_value() const { return !value_name.empty(); }
    /// "-m" and "--model", one by one.
    std::vector<std::string> spellings() const;
    /// "-m, --model" as the help text shows it.
    std::string names() const;
};

/// A command or one of its subcommands.
struct CommandTable {
    std::string name;                   ///< "clip-embed", or "info" for a subcommand
    std::string summary;                ///< one line, in lower case for a subcommand
    std::string footer;                 ///< examples, as they are printed below the help text
    std::vector<OptionRow> options;     ///< as declared, without hidden ones; --help last
    std::vector<OptionRow> operands;    ///< positional arguments
    std::vector<CommandTable> commands; ///< subcommands

    std::vector<std::string> groups() const; ///< headings in the order of their first option
    /// "clip-embed [OPTION]... [INPUT]..."; `prefix` is the parent's name for a subcommand.
    std::string usage(std::string_view prefix = "") const;
};

/// `text` with a capital at its start: "list names" becomes "List names".
std::string capitalised(std::string text);

/// Reads the table out of an App. Options in the group "" are hidden.
CommandTable table_of(const CLI::App& app);

/// `command` with the options of `parent` that hold for it too, before its --help.
CommandTable with_options_of(CommandTable command, const CommandTable& parent);

/// What breaks the rules of the house, one line each; empty for a good table.
///
/// Rules: every option has a long name in kebab-case, every value a name, every option a text of at
/// most 60 columns that starts in lower case and has no dot at its end, ASCII only; no option
/// stands under CLI11's default heading "Options" beside named ones.
std::vector<std::string> table_faults(const CommandTable& table);

} // namespace clip::cli

// SPDX-License-Identifier: MIT
#include "cli/completions.hpp"

#include <algorithm>

namespace clip::cli {
namespace {

std::string quoted(const std::string& text) {
    std::string out = "'";
    for (char c : text) {
        if (c == '\'' || c == '\\')
            out += '\\';
        out += c;
    }
    return out + "'";
}

std::string words_of(const ValueShape& shape) {
    std::string words;
    for (const std::string& word : shape.words)
        words += (words.empty() ? "" : " ") + word;
    return words;
}

// -r: a value follows; -x: one follows and paths are not offered; -F: paths are, whatever -f said.
std::string value_flags(const std::string& value_name) {
    const ValueShape shape = value_shape(value_name);
    std::string flags = shape.files ? " -r -F" : " -x";
    if (!shape.words.empty())
        flags += " -a " + quoted(words_of(shape));
    if (shape.folders)
        flags += " -a '(__fish_complete_directories (commandline -ct))'";
    return flags;
}

bool operands_are_files(const CommandTable& table) {
    return std::any_of(table.operands.begin(), table.operands.end(), [](const OptionRow& operand) {
        const ValueShape shape = value_shape(operand.value_name);
        return shape.files || shape.folders;
    });
}

std::string lines(const CommandTable& table, const std::string& start) {
    std::string out;
    for (const OptionRow& row : table.options) {
        // One line for each long name, so that "--x" and "--no-x" are both offered.
        for (std::size_t i = 0; i < row.long_names.size(); ++i) {
            out += start;
            if (i == 0)
                for (const std::string& name : row.short_names)
                    out += " -s " + name;
            out += " -l " + row.long_names[i];
            if (row.takes_value())
                out += value_flags(row.value_name);
            out += " -d " + quoted(row.brief) + '\n';
        }
    }
    return out;
}

} // namespace

std::string fish_completion(const CommandTable& table) {
    const std::string start = "complete -c " + table.name;
    std::string out = "# fish completion for " + table.name +
                      "; made from its table of options by `make docs`.\n\n";
    if (!operands_are_files(table))
        out += start + " -f\n";
    out += lines(table, start);
    for (const CommandTable& command : table.commands)
        out += start + " -n __fish_use_subcommand -a " + command.name + " -d " +
               quoted(command.summary) + '\n';
    for (const CommandTable& command : table.commands) {
        const std::string seen = start + " -n '__fish_seen_subcommand_from " + command.name + "'";
        if (operands_are_files(command))
            out += seen + " -F\n";
        CommandTable own = command; // the command's --help holds already
        std::erase_if(own.options, [](const OptionRow& row) { return row.group == kHelpGroup; });
        out += lines(own, seen);
    }
    return out;
}

} // namespace clip::cli

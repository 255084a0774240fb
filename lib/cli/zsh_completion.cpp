// SPDX-License-Identifier: MIT
#include "cli/completions.hpp"

#include "base/concat.hpp"

#include <algorithm>

namespace clip::cli {
namespace {

// Inside a spec of _arguments, in single quotes: brackets and colons are its own punctuation.
std::string escaped(const std::string& text) {
    std::string out;
    for (char c : text) {
        if (c == '\'') {
            out += "'\\''";
            continue;
        }
        if (c == '[' || c == ']' || c == ':' || c == '\\')
            out += '\\';
        out += c;
    }
    return out;
}

std::string action(const std::string& value_name) {
    const ValueShape shape = value_shape(value_name);
    std::string words;
    for (const std::string& word : shape.words)
        words += (words.empty() ? "" : " ") + word;
    std::string paths = shape.files ? "_files" : shape.folders ? "_files -/" : "";
    if (words.empty())
        return paths.empty() ? " " : paths;
    if (paths.empty())
        return "(" + words + ")";
    // Words and paths: _alternative takes them as two sources.
    return "_alternative \"words\\:word\\:(" + words + ")\" \"files\\:file\\:" + paths + "\"";
}

// One spec for each spelling: '(-m --model)--model=[text]:MODEL:_files'.
std::string specs(const CommandTable& table, const std::string& indent) {
    std::string out;
    for (const OptionRow& row : table.options) {
        const std::vector<std::string> names = row.spellings();
        std::string exclusion;
        for (const std::string& name : names)
            exclusion += (exclusion.empty() ? "" : " ") + name;
        for (const std::string& name : names) {
            out += indent + "'" + (row.repeats ? "*" : "(" + exclusion + ")") + name;
            if (row.takes_value())
                out += name.starts_with("--") ? "=" : "+";
            out += concat('[', escaped(row.brief), ']');
            if (row.takes_value())
                out += concat(':', escaped(row.value_name), ':', action(row.value_name));
            out += "' \\\n";
        }
    }
    return out;
}

std::string operand_specs(const CommandTable& table, const std::string& indent) {
    std::string out;
    for (const OptionRow& operand : table.operands)
        out += indent + "'" + (operand.repeats ? "*" : "") + ":" + escaped(operand.value_name) +
               ":" + action(operand.value_name) + "' \\\n";
    return out;
}

// The last "\" of a list of specs has nothing to go on with.
std::string ended(std::string specs) {
    const std::size_t end = specs.rfind(" \\\n");
    if (end != std::string::npos)
        specs.erase(end);
    return specs + "\n";
}

} // namespace

std::string zsh_completion(const CommandTable& table) {
    std::string out = "#compdef " + table.name + "\n# zsh completion for " + table.name +
                      "; made from its table of options by `make docs`.\n\n";
    if (table.commands.empty())
        return out + ended("_arguments -s -S : \\\n" + specs(table, "    ") +
                           operand_specs(table, "    "));

    out += "local context curcontext=\"$curcontext\" state state_descr line ret=1\n"
           "typeset -A opt_args\nlocal -a commands\ncommands=(\n";
    for (const CommandTable& command : table.commands)
        out += "    '" + escaped(command.name) + ":" + escaped(command.summary) + "'\n";
    out += ")\n\n_arguments -C -s -S : \\\n" + specs(table, "    ") +
           "    '1:command:->command' \\\n    '*::argument:->arguments' && ret=0\n\n"
           "case $state in\ncommand)\n    _describe -t commands command commands && ret=0 ;;\n"
           "arguments)\n    case $line[1] in\n";
    for (const CommandTable& command : table.commands)
        out += "    " + command.name + ")\n" +
               ended("        _arguments -s -S : \\\n" +
                     specs(with_options_of(command, table), "            ") +
                     operand_specs(with_options_of(command, table), "            ") +
                     "            && ret=0 \\\n") +
               "        ;;\n";
    return out + "    esac ;;\nesac\n\nreturn ret\n";
}

} // namespace clip::cli

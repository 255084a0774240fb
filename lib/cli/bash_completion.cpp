// SPDX-License-Identifier: MIT
#include "cli/completions.hpp"

#include "base/concat.hpp"

#include <algorithm>

namespace clip::cli {
namespace {

std::string identifier(const std::string& name) {
    std::string out = "_" + name;
    std::replace(out.begin(), out.end(), '-', '_');
    return out;
}

std::string joined(const std::vector<std::string>& words, const char* between) {
    std::string out;
    for (const std::string& word : words)
        out += (out.empty() ? "" : between) + word;
    return out;
}

// What completes a value of this shape: calls of the two functions below, or nothing.
std::string offer(const ValueShape& shape) {
    std::string out;
    if (!shape.words.empty())
        out += concat(" words '", joined(shape.words, " "), '\'');
    if (shape.files)
        out += " files";
    if (shape.folders)
        out += " folders";
    return out;
}

// The branch of `case` that answers for the values of the options of one command.
std::string value_cases(const CommandTable& table, const std::string& function,
                        const std::string& indent) {
    std::string out;
    for (const OptionRow& row : table.options)
        if (row.takes_value())
            out += indent + joined(row.spellings(), "|") + ")\n" + indent + "    " + function +
                   "_offer" + offer(value_shape(row.value_name)) + "\n" + indent +
                   "    return ;;\n";
    return out;
}

std::string option_words(const CommandTable& table) {
    std::vector<std::string> words;
    for (const OptionRow& row : table.options)
        for (const std::string& word : row.spellings())
            words.push_back(word);
    return joined(words, " ");
}

std::string operand_offer(const CommandTable& table) {
    std::string out;
    for (const OptionRow& operand : table.operands)
        out += offer(value_shape(operand.value_name));
    return out;
}

// Passes over the values of options in the search for the subcommand.
std::string value_branch(const CommandTable& table) {
    std::vector<std::string> words;
    for (const OptionRow& row : table.options)
        if (row.takes_value())
            for (const std::string& word : row.spellings())
                words.push_back(word);
    if (words.empty())
        return "";
    return concat("        ", joined(words, "|"),
                  ")\n            [[ ${COMP_WORDS[i + 1]} == = ]] && ((++i))\n"
                  "            ((++i)) ;;\n");
}

std::string body(const CommandTable& table, const std::string& function,
                 const std::string& indent) {
    std::string out;
    const std::string cases = value_cases(table, function, indent + "    ");
    if (!cases.empty())
        out += concat(indent, "case $before in\n", cases, indent, "esac\n");
    out += concat(indent, "if [[ $word == -* && -z $operands_only ]]; then\n", indent, "    ",
                  function, "_offer words '", option_words(table), "'\n", indent, "else\n", indent,
                  "    ", function, "_offer");
    std::vector<std::string> commands;
    for (const CommandTable& command : table.commands)
        commands.push_back(command.name);
    if (!commands.empty())
        out += concat(" words '", joined(commands, " "), '\'');
    return concat(out, operand_offer(table), '\n', indent, "fi\n");
}

} // namespace

std::string bash_completion(const CommandTable& table) {
    const std::string function = identifier(table.name);
    std::string out = "# bash completion for " + table.name +
                      "; made from its table of options by `make docs`.\n\n";
    // Offers add up: "words 'auto' files" are a word and the paths that fit.
    out += function + R"(_offer() {
    local line
    COMPREPLY=()
    while (($# > 0)); do
        case $1 in
        words)
            shift
            while IFS= read -r line; do COMPREPLY+=("$line"); done \
                < <(compgen -W "$1" -- "$word") ;;
        files | folders)
            compopt -o filenames 2>/dev/null
            while IFS= read -r line; do COMPREPLY+=("$line"); done \
                < <(if [[ $1 == files ]]; then compgen -f -- "$word"; else compgen -d -- "$word"; fi) ;;
        esac
        shift
    done
}

)";
    out += function + R"(() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local operands_only='' command='' i
    # "--name=value" comes as three words.
    if [[ $word == = ]]; then
        word=''
    elif [[ $before == = ]] && ((COMP_CWORD > 1)); then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; ++i)); do
        case ${COMP_WORDS[i]} in
        --)
            operands_only=yes
            before=''
            break ;;
)" + value_branch(table) +
           R"(        -*) ;;
        *)
            [[ -z $command ]] && command=${COMP_WORDS[i]} ;;
        esac
    done
)";
    if (!table.commands.empty()) {
        out += "    case $command in\n";
        for (const CommandTable& command : table.commands)
            out += concat("    ", command.name, ")\n",
                          body(with_options_of(command, table), function, "        "),
                          "        return ;;\n");
        out += "    esac\n";
    }
    return concat(out, body(table, function, "    "), "}\n\ncomplete -F ", function, ' ',
                  table.name, '\n');
}

} // namespace clip::cli

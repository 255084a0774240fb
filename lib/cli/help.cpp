// SPDX-License-Identifier: MIT
#include "cli/help.hpp"

#include <algorithm>

namespace clip::cli {
namespace {

// Texts start here; names that reach further have their text on the next line.
constexpr std::size_t kTextColumn = 28;

std::string entry(const std::string& name, const std::string& text) {
    std::string line = "  " + name;
    std::size_t column = line.size();
    if (column + 2 > kTextColumn) {
        line += '\n';
        column = 0;
    }
    line.append(kTextColumn - column, ' ');
    return line + wrapped(text, kTextColumn, kTextColumn);
}

std::string option_name(const OptionRow& row) {
    // Options without a letter stand below the long names of those that have one.
    std::string name = (row.short_names.empty() ? "    " : "") + row.names();
    return row.takes_value() ? name + ' ' + row.value_name : name;
}

std::string option_text(const OptionRow& row) {
    std::string text = row.brief;
    if (row.repeats)
        text += " (may be repeated)";
    if (!row.default_text.empty())
        text += " (default: " + row.default_text + ")";
    return text;
}

} // namespace

std::string wrapped(std::string_view text, std::size_t first, std::size_t indent,
                    std::size_t columns) {
    std::string out;
    std::size_t column = first;
    bool at_start = true;
    while (true) {
        const std::size_t begin = text.find_first_not_of(' ');
        if (begin == std::string_view::npos)
            break;
        text.remove_prefix(begin);
        const std::string_view word = text.substr(0, text.find(' '));
        if (!at_start && column + 1 + word.size() > columns) {
            out += '\n';
            out.append(indent, ' ');
            column = indent;
            at_start = true;
        }
        if (!at_start) {
            out += ' ';
            ++column;
        }
        out += word;
        column += word.size();
        at_start = false;
        text.remove_prefix(word.size());
    }
    return out + '\n';
}

std::string help_text(const CommandTable& table, std::string_view prefix) {
    constexpr std::string_view kUsage = "Usage: ";
    std::string text(kUsage);
    text += wrapped(table.usage(prefix), kUsage.size(), kUsage.size() + 2);
    text += wrapped(capitalised(table.summary) + '.', 0, 0);
    if (!table.operands.empty()) {
        text += "\nOperands:\n";
        for (const OptionRow& operand : table.operands)
            text += entry(operand.value_name, operand.brief);
    }
    if (!table.commands.empty()) {
        text += "\nCommands:\n";
        for (const CommandTable& command : table.commands)
            text += entry(command.name, command.summary);
    }
    for (const std::string& group : table.groups()) {
        text += '\n' + group + ":\n";
        for (const OptionRow& row : table.options)
            if (row.group == group)
                text += entry(option_name(row), option_text(row));
    }
    if (!table.footer.empty()) {
        text += '\n' + table.footer;
        if (table.footer.back() != '\n')
            text += '\n';
    }
    return text;
}

} // namespace clip::cli

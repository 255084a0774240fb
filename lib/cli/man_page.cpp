// SPDX-License-Identifier: MIT
#include "cli/man_page.hpp"

#include "base/concat.hpp"
#include "cli/help.hpp"

#include <cctype>

namespace clip::cli {
namespace {

constexpr std::size_t kSourceColumns = 78;

// Sentences begin on new lines, as roff wants them: it sets the gap between sentences itself.
std::string paragraph(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        std::size_t end = text.size();
        for (std::size_t i = 0; i + 2 < text.size(); ++i)
            if (text[i] == '.' && text[i + 1] == ' ' &&
                std::isupper(static_cast<unsigned char>(text[i + 2]))) {
                end = i + 1;
                break;
            }
        std::string lines = wrapped(text.substr(0, end), 0, 0, kSourceColumns);
        // Escape line by line: only the start of a line is special to roff.
        for (std::size_t begin = 0; begin < lines.size();) {
            const std::size_t line_end = lines.find('\n', begin);
            out += roff_escaped(std::string_view(lines).substr(begin, line_end - begin)) + '\n';
            begin = line_end + 1;
        }
        text.remove_prefix(end);
        while (!text.empty() && text.front() == ' ')
            text.remove_prefix(1);
    }
    return out;
}

// The brief text becomes a sentence; what follows is the details' own paragraphs.
std::string body(const OptionRow& row) {
    std::string first = capitalised(row.brief);
    if (row.repeats && !row.long_names.empty())
        first += " (may be repeated)";
    if (!row.default_text.empty())
        first += " (default: " + row.default_text + ")";
    first += '.';
    std::string_view details = row.details;
    std::size_t gap = details.find("\n\n");
    first += ' ';
    first += details.substr(0, gap);
    std::string out = paragraph(first);
    while (gap != std::string_view::npos) {
        details.remove_prefix(gap + 2);
        gap = details.find("\n\n");
        out += ".IP\n" + paragraph(details.substr(0, gap));
    }
    return out;
}

// "\fB\-m\fR, \fB\-\-model\fR=\fIMODEL\fR"; alternatives that are words stay bold.
std::string heading(const OptionRow& row) {
    std::string out;
    for (const std::string& spelling : row.spellings())
        out += concat(out.empty() ? "" : ", ", "\\fB", roff_escaped(spelling), "\\fR");
    if (row.takes_value()) {
        const bool words_only = !value_shape(row.value_name).open;
        out += out.empty() ? "" : " ";
        out += (words_only ? "\\fB" : "\\fI") + roff_escaped(row.value_name) + "\\fR";
    }
    return out;
}

void append_rows(const CommandTable& table, bool headings, std::string& out) {
    if (!table.operands.empty()) {
        if (headings)
            out += ".SS Operands\n";
        for (const OptionRow& operand : table.operands)
            out += ".TP\n" + heading(operand) + '\n' + body(operand);
    }
    for (const std::string& group : table.groups()) {
        if (headings)
            out += ".SS " + roff_escaped(group) + '\n';
        for (const OptionRow& row : table.options)
            if (row.group == group && (headings || group != kHelpGroup))
                out += ".TP\n" + heading(row) + '\n' + body(row);
    }
}

} // namespace

std::string roff_escaped(std::string_view text) {
    std::string out;
    if (!text.empty() && (text.front() == '.' || text.front() == '\''))
        out += "\\&";
    for (char c : text) {
        switch (c) {
        case '\\':
            out += "\\e";
            break;
        case '-':
            out += "\\-";
            break;
        case '\'':
            out += "\\(aq";
            break;
        case '"':
            out += "\\(dq";
            break;
        case '`':
            out += "\\(ga";
            break;
        case '^':
            out += "\\(ha";
            break;
        case '~':
            out += "\\(ti";
            break;
        default:
            out += c;
        }
    }
    return out;
}

std::string man_options(const CommandTable& table) {
    std::string out;
    append_rows(table, true, out);
    for (const CommandTable& command : table.commands) {
        // One heading a subcommand, its options below it without further headings.
        out += ".SS " + roff_escaped(command.usage(table.name)) + '\n';
        out += paragraph(capitalised(command.summary) + '.');
        append_rows(command, false, out);
    }
    return out;
}

} // namespace clip::cli

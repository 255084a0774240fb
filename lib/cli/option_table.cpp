// SPDX-License-Identifier: MIT
#include "cli/option_table.hpp"

#include "base/concat.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>

namespace clip::cli {
namespace {

constexpr std::size_t kBriefColumns = 60;

std::vector<std::string> alternatives(std::string_view value_name) {
    std::vector<std::string> parts;
    while (!value_name.empty()) {
        std::size_t bar = value_name.find('|');
        parts.emplace_back(value_name.substr(0, bar));
        value_name.remove_prefix(bar == std::string_view::npos ? value_name.size() : bar + 1);
    }
    return parts;
}

std::string word_of(const std::string& alternative) {
    return alternative.substr(0, alternative.find('['));
}

bool has_capital(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool names_file(std::string_view placeholder) {
    for (std::string_view name : {"INPUT", "IMAGE", "MODEL", "CANDIDATE", "DATA"})
        if (placeholder == name)
            return true;
    return placeholder.starts_with("FILE") || placeholder.starts_with("CHECKPOINT");
}

OptionRow row_of(const CLI::Option& option) {
    OptionRow row;
    row.short_names = option.get_snames();
    row.long_names = option.get_lnames();
    const bool is_switch = option.get_items_expected_max() == 0;
    const bool is_operand = option.get_positional();
    if (is_operand)
        row.value_name = option.get_name(true);
    else if (!is_switch)
        row.value_name = option.get_type_name();
    const std::string text = option.get_description();
    const std::size_t line = text.find('\n');
    row.brief = text.substr(0, line);
    if (line != std::string::npos)
        row.details = text.substr(line + 1);
    row.group = option.get_group();
    if (!is_switch)
        row.default_text = option.get_default_str();
    row.repeats = option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
    row.required = option.get_required();
    return row;
}

bool is_kebab(std::string_view name) {
    return !name.empty() && name.front() != '-' && name.back() != '-' &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
           });
}

bool is_plain_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

void add_faults(const CommandTable& table, const std::string& path,
                std::vector<std::string>& faults) {
    const auto groups = table.groups();
    const bool mixed = std::any_of(groups.begin(), groups.end(), [](const std::string& group) {
        return group != "Options" && group != kHelpGroup;
    });
    for (const OptionRow& row : table.options) {
        const std::string name =
            path + ": " +
            (row.long_names.empty() ? "option without a long name" : "--" + row.long_names[0]);
        if (row.long_names.empty())
            faults.push_back(name);
        for (const std::string& long_name : row.long_names)
            if (!is_kebab(long_name))
                faults.push_back(name + ": the name is not in kebab-case");
        if (row.brief.empty())
            faults.push_back(name + ": no text");
        if (row.brief.size() > kBriefColumns)
            faults.push_back(name + ": the text is longer than 60 columns");
        // An acronym may come first; a sentence may not.
        const bool sentence = row.brief.size() > 1 && has_capital(row.brief.substr(0, 1)) &&
                              !has_capital(row.brief.substr(1, 1));
        if (sentence || row.brief.ends_with('.'))
            faults.push_back(name + ": the text starts with a capital or ends with a dot");
        if (!is_plain_ascii(row.brief + row.details))
            faults.push_back(name + ": the text is not plain ASCII");
        if (mixed && row.group == "Options")
            faults.push_back(name + ": stands under no heading");
    }
    for (const CommandTable& command : table.commands)
        add_faults(command, path + " " + command.name, faults);
}

} // namespace

ValueShape value_shape(std::string_view value_name) {
    ValueShape shape;
    for (const std::string& alternative : alternatives(value_name)) {
        const std::string word = word_of(alternative);
        if (!has_capital(word)) {
            shape.words.push_back(word);
            continue;
        }
        shape.open = true;
        if (names_file(word))
            shape.files = true;
        else if (word == "FOLDER")
            shape.folders = true;
    }
    if (shape.files)
        shape.folders = false;
    return shape;
}

bool is_word_of(std::string_view value_name, std::string_view value) {
    for (const std::string& alternative : alternatives(value_name)) {
        const std::string word = word_of(alternative);
        if (has_capital(word) || !value.starts_with(word))
            continue;
        std::string_view rest = value.substr(word.size());
        if (rest.empty())
            return true;
        // "cuda[:N]": the rest is the same punctuation and then a number.
        std::string_view pattern = std::string_view(alternative).substr(word.size());
        if (pattern.size() != 4 || pattern[2] != 'N' || rest[0] != pattern[1] || rest.size() < 2 ||
            rest.size() > 5)
            continue;
        rest.remove_prefix(1);
        if (std::all_of(rest.begin(), rest.end(), [](char c) { return c >= '0' && c <= '9'; }))
            return true;
    }
    return false;
}

std::vector<std::string> OptionRow::spellings() const {
    std::vector<std::string> out;
    for (const std::string& name : short_names)
        out.push_back(concat('-', name));
    for (const std::string& name : long_names)
        out.push_back(concat("--", name));
    return out;
}

std::string OptionRow::names() const {
    std::string text;
    for (const std::string& spelling : spellings())
        text += concat(text.empty() ? "" : ", ", spelling);
    return text;
}

std::vector<std::string> CommandTable::groups() const {
    std::vector<std::string> names;
    for (const OptionRow& row : options)
        if (std::find(names.begin(), names.end(), row.group) == names.end())
            names.push_back(row.group);
    return names;
}

std::string CommandTable::usage(std::string_view prefix) const {
    std::string text(prefix);
    if (!text.empty())
        text += ' ';
    text += name;
    if (!options.empty())
        text += " [OPTION]...";
    if (!commands.empty())
        text += " COMMAND";
    for (const OptionRow& operand : operands) {
        text += ' ';
        text += operand.required ? operand.value_name : "[" + operand.value_name + "]";
        if (operand.repeats)
            text += "...";
    }
    return text;
}

std::string capitalised(std::string text) {
    if (!text.empty() && text[0] >= 'a' && text[0] <= 'z')
        text[0] = static_cast<char>(text[0] - 'a' + 'A');
    return text;
}

CommandTable table_of(const CLI::App& app) {
    CommandTable table;
    table.name = app.get_name();
    table.summary = app.get_description();
    table.footer = app.get_footer();
    std::vector<OptionRow> last; // CLI11 declares --help first; people look for it at the end
    for (const CLI::Option* option : app.get_options()) {
        if (option->get_group().empty())
            continue;
        OptionRow row = row_of(*option);
        if (option == app.get_help_ptr())
            row.group = kHelpGroup;
        auto& rows = option->get_positional()  ? table.operands
                     : row.group == kHelpGroup ? last
                                               : table.options;
        rows.push_back(std::move(row));
    }
    table.options.insert(table.options.end(), last.begin(), last.end());
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
        table.commands.push_back(table_of(*command));
    return table;
}

CommandTable with_options_of(CommandTable command, const CommandTable& parent) {
    const auto is_help = [](const OptionRow& row) { return row.group == kHelpGroup; };
    const auto place = std::find_if(command.options.begin(), command.options.end(), is_help);
    std::vector<OptionRow> shared;
    std::remove_copy_if(parent.options.begin(), parent.options.end(), std::back_inserter(shared),
                        is_help);
    command.options.insert(place, shared.begin(), shared.end());
    return command;
}

std::vector<std::string> table_faults(const CommandTable& table) {
    std::vector<std::string> faults;
    add_faults(table, table.name, faults);
    return faults;
}

} // namespace clip::cli

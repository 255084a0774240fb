// SPDX-License-Identifier: MIT
#include "app/labels.hpp"

#include <string_view>
#include <unordered_set>

#include "base/concat.hpp"
#include "io/line_reader.hpp"
#include "io/utf8.hpp"

namespace clip::app {

namespace {

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

[[noreturn]] void fail_line(const std::string& path, std::size_t line, std::string_view what) {
    fail(ErrorCode::bad_format, concat(path, ":", line, ": ", what));
}

} // namespace

std::vector<std::string> read_text_lines(const std::string& path) {
    io::LineReader reader = io::LineReader::open(path);
    std::vector<std::string> lines;
    std::string_view line;
    while (reader.next(line)) {
        if (lines.empty() && line.starts_with("\xEF\xBB\xBF"))
            line.remove_prefix(3);
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        if (!io::is_valid_utf8(line))
            fail_line(path, lines.size() + 1, "not UTF-8");
        lines.emplace_back(line);
    }
    return lines;
}

std::vector<ClassNames> read_label_file(const std::string& path) {
    std::vector<ClassNames> classes;
    const std::vector<std::string> lines = read_text_lines(path);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const std::string_view line = lines[i];
        if (trimmed(line).empty())
            continue;
        const std::size_t tab = line.find('\t');
        ClassNames entry{.label = std::string(trimmed(line.substr(0, tab)))};
        if (entry.label.empty())
            fail_line(path, i + 1, "no label before the tab");
        if (tab == std::string_view::npos) {
            entry.names.push_back(entry.label);
        } else {
            std::string_view rest = line.substr(tab + 1);
            while (!rest.empty()) {
                const std::size_t bar = std::min(rest.find('|'), rest.size());
                if (const std::string_view name = trimmed(rest.substr(0, bar)); !name.empty())
                    entry.names.emplace_back(name);
                rest.remove_prefix(std::min(bar + 1, rest.size()));
            }
            if (entry.names.empty())
                fail_line(path, i + 1, "no names after the tab");
        }
        classes.push_back(std::move(entry));
    }
    return classes;
}

std::vector<std::string> read_template_file(const std::string& path) {
    std::vector<std::string> templates;
    const std::vector<std::string> lines = read_text_lines(path);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (trimmed(lines[i]).empty())
            continue;
        if (lines[i].find("{}") == std::string::npos)
            fail_line(path, i + 1, "a prompt template without {} for the class name");
        templates.push_back(lines[i]);
    }
    return templates;
}

std::vector<ClassNames> gather_classes(const std::vector<std::string>& labels,
                                       const std::string& file) {
    std::vector<ClassNames> classes;
    for (const std::string& label : labels)
        classes.push_back({.label = label, .names = {label}});
    if (!file.empty())
        for (ClassNames& entry : read_label_file(file))
            classes.push_back(std::move(entry));
    if (classes.empty())
        fail(ErrorCode::invalid_argument, file.empty()
                                              ? "no labels: give --label, --labels or --classifier"
                                              : concat("read labels: ", file, " holds none"));
    std::unordered_set<std::string_view> seen;
    for (const ClassNames& entry : classes)
        if (!seen.insert(entry.label).second)
            fail(ErrorCode::invalid_argument,
                 concat("the label '", entry.label, "' is given twice"));
    return classes;
}

std::vector<std::string> gather_templates(std::vector<std::string> templates,
                                          const std::string& file) {
    if (!file.empty())
        for (std::string& line : read_template_file(file))
            templates.push_back(std::move(line));
    if (templates.empty() && !file.empty())
        fail(ErrorCode::invalid_argument, concat("read templates: ", file, " holds no templates"));
    if (templates.empty())
        templates.emplace_back(kDefaultTemplate);
    return templates;
}

} // namespace clip::app

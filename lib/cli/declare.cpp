// SPDX-License-Identifier: MIT
#include "cli/declare.hpp"

#include "base/concat.hpp"
#include "cli/option_table.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>

namespace clip::cli {
namespace {

std::string description(const std::string& brief, const std::string& details) {
    return details.empty() ? brief : brief + "\n" + details;
}

// Why `value` does not fit a value called `value_name`; empty when it does.
std::string misfit(const std::string& value_name, const std::string& value) {
    const ValueShape shape = value_shape(value_name);
    if (!shape.open)
        return is_word_of(value_name, value)
                   ? ""
                   : concat("unknown value (got \"", value, "\", want ", value_name, ")");
    if ((shape.files || shape.folders) && value.empty())
        return "the value is empty (want " + value_name + ")";
    return "";
}

CLI::Option* add_value(CLI::App& app, const std::string& names, const std::string& value_name,
                       const std::string& text, CLI::callback_t assign) {
    CLI::Option* option = app.add_option(names, std::move(assign), text);
    option->type_name(value_name)->type_size(1)->expected(1)->allow_extra_args(false);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    return option;
}

// The same range in every message: a whole number is named as one, since "1.5" is a fair guess.
template <typename T>
std::string wanted(T least, T most) {
    std::string text = std::is_integral_v<T> ? "want a whole number" : "want a number";
    const bool bottom = std::is_unsigned_v<T> || least != std::numeric_limits<T>::lowest();
    const bool top = most != std::numeric_limits<T>::max();
    if (bottom && top)
        return concat(text, " from ", least, " to ", most);
    if (bottom)
        return concat(text, " of at least ", least);
    return top ? concat(text, " of at most ", most) : text;
}

template <typename T>
bool parse_number(const std::string& value, T& number) {
    const char* first = value.data();
    const char* last = first + value.size();
    // from_chars takes no leading plus, which people do write.
    if (value.size() > 1 && value[0] == '+' && value[1] != '-')
        ++first;
    const auto result = std::from_chars(first, last, number);
    return result.ec == std::errc() && result.ptr == last;
}

template <typename T>
CLI::Option* add_parsed(CLI::App& app, const std::string& names, const std::string& value_name,
                        const std::string& text, T least, T most, std::function<void(T)> assign) {
    CLI::Option* option =
        add_value(app, names, value_name, text, [assign](const CLI::results_t& results) {
            T number{};
            if (!parse_number(results.back(), number))
                return false;
            assign(number);
            return true;
        });
    option->check(
        [least, most](const std::string& value) -> std::string {
            T number{};
            // The comparison is written so that a NaN fails it.
            if (parse_number(value, number) && number >= least && number <= most)
                return "";
            return concat("not a usable value (got \"", value, "\", ", wanted(least, most), ")");
        },
        "");
    return option;
}

std::string trimmed(const std::string& text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string::npos)
        return "";
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

} // namespace

CLI::Option* add_switch(CLI::App& app, const std::string& names, bool& target,
                        const std::string& brief, const std::string& details) {
    return app.add_flag(names, target, description(brief, details));
}

CLI::Option* add_text(CLI::App& app, const std::string& names, std::string& target,
                      const std::string& value_name, const std::string& brief,
                      const std::string& details) {
    CLI::Option* option = add_value(app, names, value_name, description(brief, details),
                                    [&target](const CLI::results_t& results) {
                                        target = results.back();
                                        return true;
                                    });
    option->check([value_name](const std::string& value) { return misfit(value_name, value); }, "");
    if (!target.empty())
        option->default_str(target);
    return option;
}

CLI::Option* add_list(CLI::App& app, const std::string& names, std::vector<std::string>& target,
                      const std::string& value_name, const std::string& brief,
                      const std::string& details) {
    CLI::Option* option = add_value(app, names, value_name, description(brief, details),
                                    [&target](const CLI::results_t& results) {
                                        target = results;
                                        return true;
                                    });
    option->check([value_name](const std::string& value) { return misfit(value_name, value); }, "");
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    return option;
}

CLI::Option* add_comma_list(CLI::App& app, const std::string& names,
                            std::vector<std::string>& target, const std::string& value_name,
                            const std::string& brief, const std::string& details) {
    CLI::Option* option =
        add_value(app, names, value_name, description(brief, details),
                  [&target](const CLI::results_t& results) {
                      target.clear();
                      for (const std::string& result : results)
                          for (std::size_t begin = 0; begin <= result.size();) {
                              const std::size_t end =
                                  std::min(result.find(',', begin), result.size());
                              std::string part = trimmed(result.substr(begin, end - begin));
                              if (!part.empty())
                                  target.push_back(std::move(part));
                              begin = end + 1;
                          }
                      return true;
                  });
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    return option;
}

template <typename T>
CLI::Option* add_number(CLI::App& app, const std::string& names, T& target,
                        const std::string& value_name, const std::string& brief,
                        const std::string& details, T least, T most) {
    CLI::Option* option = add_parsed<T>(app, names, value_name, description(brief, details), least,
                                        most, [&target](T number) { target = number; });
    if (target != T{})
        option->default_str(concat(target));
    return option;
}

template <typename T>
CLI::Option* add_number(CLI::App& app, const std::string& names, std::optional<T>& target,
                        const std::string& value_name, const std::string& brief,
                        const std::string& details, T least, T most) {
    CLI::Option* option = add_parsed<T>(app, names, value_name, description(brief, details), least,
                                        most, [&target](T number) { target = number; });
    if (target)
        option->default_str(concat(*target));
    return option;
}

CLI::Option* add_operands(CLI::App& app, const std::string& name, std::vector<std::string>& target,
                          const std::string& brief) {
    // No check for empty ones: for some commands an empty operand is an input like any other.
    CLI::Option* option =
        add_value(app, name, name, brief, [&target](const CLI::results_t& results) {
            target = results;
            return true;
        });
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    return option;
}

CLI::Option* add_operand(CLI::App& app, const std::string& name, std::string& target,
                         const std::string& brief) {
    return add_text(app, name, target, name, brief)->required();
}

template CLI::Option* add_number(CLI::App&, const std::string&, std::size_t&, const std::string&,
                                 const std::string&, const std::string&, std::size_t, std::size_t);
template CLI::Option* add_number(CLI::App&, const std::string&, std::int64_t&, const std::string&,
                                 const std::string&, const std::string&, std::int64_t,
                                 std::int64_t);
template CLI::Option* add_number(CLI::App&, const std::string&, float&, const std::string&,
                                 const std::string&, const std::string&, float, float);
template CLI::Option* add_number(CLI::App&, const std::string&, double&, const std::string&,
                                 const std::string&, const std::string&, double, double);
template CLI::Option* add_number(CLI::App&, const std::string&, std::optional<std::size_t>&,
                                 const std::string&, const std::string&, const std::string&,
                                 std::size_t, std::size_t);
template CLI::Option* add_number(CLI::App&, const std::string&, std::optional<std::int64_t>&,
                                 const std::string&, const std::string&, const std::string&,
                                 std::int64_t, std::int64_t);
template CLI::Option* add_number(CLI::App&, const std::string&, std::optional<float>&,
                                 const std::string&, const std::string&, const std::string&, float,
                                 float);
template CLI::Option* add_number(CLI::App&, const std::string&, std::optional<double>&,
                                 const std::string&, const std::string&, const std::string&, double,
                                 double);

} // namespace clip::cli

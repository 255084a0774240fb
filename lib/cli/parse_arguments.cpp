// SPDX-License-Identifier: MIT
#include "cli/parse_arguments.hpp"

#include "base/concat.hpp"
#include "base/error.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>

namespace clip::cli {
namespace {

[[noreturn]] void usage_error(const std::string& message) {
    fail(ErrorCode::invalid_argument, message);
}

// Damerau-Levenshtein in its "optimal string alignment" form.
std::size_t edit_distance(const std::string& a, const std::string& b) {
    std::vector<std::vector<std::size_t>> cost(a.size() + 1,
                                               std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i)
        cost[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j)
        cost[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i)
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            cost[i][j] =
                std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    return cost[a.size()][b.size()];
}

std::vector<CLI::App*> commands_of(CLI::App& app) {
    return app.get_subcommands([](CLI::App*) { return true; });
}

bool is_switch(const CLI::Option& option) {
    return option.get_items_expected_max() == 0;
}

class Reader {
  public:
    explicit Reader(CLI::App& app) : app_(app), command_(&app) {}

    ParsedArguments read(const std::vector<std::string>& arguments);

  private:
    // The options that hold here, those of the subcommand before those of the command.
    std::vector<CLI::Option*> options() const;
    CLI::Option* find_long(const std::string& name) const;
    CLI::Option* find_short(char name) const;
    std::vector<std::string> long_names() const;

    void read_long(const std::string& argument);
    void read_cluster(const std::string& argument);
    void read_operand(const std::string& argument);
    void add(CLI::Option& option, const std::string& name, std::string value);
    std::string next_value(const CLI::Option& option, const std::string& shown);
    void hand_out_operands();
    void read_environment();
    void check_relations() const;

    CLI::App& app_;
    CLI::App* command_;
    Request request_ = Request::run;
    const std::vector<std::string>* arguments_ = nullptr;
    std::size_t next_ = 0;
    std::vector<std::string> operands_;
};

std::vector<CLI::Option*> Reader::options() const {
    std::vector<CLI::Option*> all = command_->get_options();
    if (command_ != &app_)
        for (CLI::Option* option : app_.get_options())
            all.push_back(option);
    return all;
}

std::vector<std::string> Reader::long_names() const {
    std::vector<std::string> names;
    for (const CLI::Option* option : options())
        if (!option->get_group().empty())
            names.insert(names.end(), option->get_lnames().begin(), option->get_lnames().end());
    return names;
}

CLI::Option* Reader::find_long(const std::string& name) const {
    std::vector<std::pair<std::string, CLI::Option*>> near;
    for (CLI::Option* option : options())
        for (const std::string& known : option->get_lnames()) {
            if (known == name)
                return option;
            if (known.starts_with(name) && !option->get_group().empty() &&
                std::none_of(near.begin(), near.end(),
                             [&](const auto& other) { return other.first == known; }))
                near.emplace_back(known, option);
        }
    if (near.size() == 1)
        return near.front().second;
    if (near.size() > 1) {
        std::string list;
        for (const auto& [known, option] : near)
            list += (list.empty() ? "--" : ", --") + known;
        usage_error(concat("option --", name, " is ambiguous (", list, ")"));
    }
    const std::string guess = nearest_word(name, long_names());
    usage_error(guess.empty()
                    ? concat("unknown option --", name, " (hint: --help lists the options)")
                    : concat("unknown option --", name, " (hint: --", guess, ")"));
}

CLI::Option* Reader::find_short(char name) const {
    for (CLI::Option* option : options())
        if (option->check_sname(std::string(1, name)))
            return option;
    return nullptr;
}

std::string Reader::next_value(const CLI::Option& option, const std::string& shown) {
    if (next_ >= arguments_->size())
        usage_error(concat(shown, ": the value is missing (want ", option.get_type_name(), ")"));
    return (*arguments_)[next_++];
}

void Reader::add(CLI::Option& option, const std::string& name, std::string value) {
    if (&option == command_->get_help_ptr() || &option == app_.get_help_ptr())
        request_ = Request::help;
    else if (option.check_lname("version") && is_switch(option))
        request_ = Request::version;
    else
        option.add_result(is_switch(option) ? option.get_flag_value(name, "") : std::move(value));
}

void Reader::read_long(const std::string& argument) {
    const std::size_t equals = argument.find('=');
    const std::string given = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
    CLI::Option& option = *find_long(given);
    // The name in full, since "--no-x" of a switch has another value than "--x".
    std::string name = given;
    if (!option.check_lname(given))
        for (const std::string& known : option.get_lnames())
            if (known.starts_with(given))
                name = known;
    if (is_switch(option)) {
        if (equals != std::string::npos)
            usage_error(concat("--", name, ": this option takes no value (got \"",
                               argument.substr(equals + 1), "\")"));
        return add(option, name, "");
    }
    add(option, name,
        equals == std::string::npos ? next_value(option, "--" + name)
                                    : argument.substr(equals + 1));
}

void Reader::read_cluster(const std::string& argument) {
    for (std::size_t i = 1; i < argument.size(); ++i) {
        const char letter = argument[i];
        CLI::Option* option = find_short(letter);
        if (option == nullptr)
            usage_error(concat("unknown option -", letter,
                               i == 1 ? std::string(" (hint: -- goes before an operand that begins "
                                                    "with a dash)")
                                      : concat(" in ", argument)));
        const std::string name(1, letter);
        if (is_switch(*option)) {
            add(*option, name, "");
            if (request_ != Request::run)
                return;
            continue;
        }
        add(*option, name,
            i + 1 < argument.size() ? argument.substr(i + 1) : next_value(*option, "-" + name));
        return;
    }
}

void Reader::read_operand(const std::string& argument) {
    const std::vector<CLI::App*> commands = commands_of(*command_);
    if (commands.empty()) {
        operands_.push_back(argument);
        return;
    }
    std::vector<std::string> names;
    for (CLI::App* command : commands) {
        if (command->check_name(argument)) {
            command_ = command;
            return;
        }
        names.push_back(command->get_name());
    }
    std::string guess = nearest_word(argument, names);
    usage_error(concat("unknown command \"", argument,
                       "\" (hint: ", guess.empty() ? CLI::detail::join(names, ", ") : guess, ")"));
}

void Reader::hand_out_operands() {
    std::size_t next = 0;
    for (CLI::Option* option : command_->get_options()) {
        if (!option->get_positional())
            continue;
        const bool takes_all = option->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
        for (std::size_t n = 0; next < operands_.size() && (takes_all || n == 0); ++n)
            option->add_result(operands_[next++]);
    }
    if (next < operands_.size())
        usage_error(concat("unexpected operand \"", operands_[next], "\""));
}

void Reader::read_environment() {
    for (CLI::Option* option : options()) {
        if (option->get_envname().empty() || option->count() > 0)
            continue;
        const char* value = std::getenv(option->get_envname().c_str());
        if (value != nullptr && *value != '\0')
            option->add_result(value);
    }
}

void Reader::check_relations() const {
    for (const CLI::Option* option : options()) {
        const std::string name = option->get_name();
        if (option->get_required() && option->count() == 0)
            usage_error(concat(name, " is missing"));
        if (option->count() == 0)
            continue;
        for (const CLI::Option* other : option->get_needs())
            if (other->count() == 0)
                usage_error(concat(name, ": needs ", other->get_name()));
        for (const CLI::Option* other : option->get_excludes())
            if (other->count() > 0)
                usage_error(concat(name, ": cannot be used with ", other->get_name()));
    }
}

ParsedArguments Reader::read(const std::vector<std::string>& arguments) {
    arguments_ = &arguments;
    bool only_operands = false;
    while (next_ < arguments.size() && request_ == Request::run) {
        const std::string& argument = arguments[next_++];
        if (only_operands || argument.size() < 2 || argument[0] != '-')
            read_operand(argument);
        else if (argument == "--")
            only_operands = true;
        else if (argument[1] == '-')
            read_long(argument);
        else
            read_cluster(argument);
    }
    if (request_ != Request::run)
        return {request_, command_};

    if (!commands_of(*command_).empty() && command_->get_require_subcommand_min() > 0) {
        std::string list;
        for (const CLI::App* command : commands_of(*command_))
            list += (list.empty() ? "" : ", ") + command->get_name();
        usage_error(concat("a command is missing (hint: ", list, ")"));
    }
    hand_out_operands();
    read_environment();
    check_relations();
    try {
        for (CLI::Option* option : options())
            if (option->count() > 0)
                option->run_callback();
    } catch (const CLI::ParseError& error) {
        usage_error(error.what());
    }
    return {Request::run, command_};
}

} // namespace

std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates) {
    std::string best;
    std::size_t least = std::max<std::size_t>(word.size() / 3, 1) + 1;
    // A command line's argument may be megabytes long; no option is.
    if (word.size() > 64)
        return best;
    for (const std::string& candidate : candidates) {
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < least) {
            least = distance;
            best = candidate;
        }
    }
    return best;
}

ParsedArguments parse_arguments(CLI::App& app, const std::vector<std::string>& arguments) {
    return Reader(app).read(arguments);
}

} // namespace clip::cli

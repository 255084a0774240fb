// SPDX-License-Identifier: MIT
#include "cli/run_main.hpp"

#include "base/concat.hpp"
#include "base/error.hpp"
#include "cli/completions.hpp"
#include "cli/help.hpp"
#include "cli/man_page.hpp"
#include "cli/parse_arguments.hpp"
#include "cli/standard_output.hpp"
#include "cli/stop_flag.hpp"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <exception>
#include <fcntl.h>
#include <new>
#include <unistd.h>

namespace clip::cli {
namespace {

// For `make docs` and the tests; no option of the table, since it stands alone.
constexpr std::string_view kGenerate = "--generate=";

// A file opened later must not become standard output because a parent closed that. The modes are
// the wrong way round on purpose: reading from and writing to a closed stream should still fail.
void open_standard_descriptors() {
    constexpr int kModes[] = {O_WRONLY, O_RDONLY, O_RDWR};
    for (int descriptor = 0; descriptor < 3; ++descriptor)
        if (::fcntl(descriptor, F_GETFD) < 0 && errno == EBADF)
            // The lowest free number is the one that was found closed.
            (void)::open("/dev/null", kModes[descriptor]);
}

std::string table_lines(const CommandTable& table, const std::string& path) {
    std::string out;
    for (const OptionRow& row : table.options)
        out += concat(path, '\t', row.names(), '\t', row.value_name, '\t', row.brief, '\t',
                      row.details, '\n');
    for (const CommandTable& command : table.commands)
        out += table_lines(command, path + ' ' + command.name);
    return out;
}

std::string generated(const std::string& kind, const CommandTable& table) {
    if (kind == "man-options")
        return man_options(table);
    if (kind == "bash")
        return bash_completion(table);
    if (kind == "zsh")
        return zsh_completion(table);
    if (kind == "fish")
        return fish_completion(table);
    if (kind == "table")
        return table_lines(table, table.name);
    if (kind != "faults")
        fail(ErrorCode::invalid_argument,
             concat("--generate: unknown value (got \"", kind,
                    "\", want man-options|bash|zsh|fish|table|faults)"));
    std::string out;
    for (const std::string& fault : table_faults(table))
        out += fault + '\n';
    return out;
}

std::string version_text(const Program& program) {
    std::string text = concat(program.name, " (clip-tools) ", program.version, '\n');
    if (program.version_lines)
        for (const std::string& line : program.version_lines())
            text += line + '\n';
    return text;
}

bool is_given(CLI::App& app, const CLI::App& command, const char* name) {
    for (const CLI::App* place : {static_cast<const CLI::App*>(&app), &command}) {
        const CLI::Option* option = place->get_option_no_throw(name);
        if (option != nullptr && option->count() > 0)
            return true;
    }
    return false;
}

int interrupted_status() {
    const int signal = stop_signal();
    return signal == 0 || signal == SIGINT ? kInterrupted : 128 + signal;
}

// The whole of a run up to closing standard output; throws whatever goes wrong.
int run_program(const std::vector<std::string>& arguments, const Program& program,
                std::ostream& out, Diagnostics& diagnostics) {
    CLI::App app(program.summary, program.name);
    app.set_help_flag("-h,--help", "show this help and exit");
    app.footer(program.examples);
    program.define(app);
    bool version = false; // parse_arguments() reports it
    app.add_flag("--version", version, "show versions and exit")->group(kHelpGroup);
    const CommandTable table = table_of(app);
    if (arguments.size() == 1 && arguments[0].starts_with(kGenerate)) {
        out << generated(arguments[0].substr(kGenerate.size()), table);
        return kDone;
    }

    const ParsedArguments parsed = parse_arguments(app, arguments);
    if (parsed.request == Request::help) {
        if (parsed.command == &app)
            out << help_text(table);
        else
            out << help_text(table_of(*parsed.command), program.name);
        return kDone;
    }
    if (parsed.request == Request::version) {
        out << version_text(program);
        return kDone;
    }
    const bool quiet = is_given(app, *parsed.command, "--quiet");
    if (quiet)
        diagnostics.set_loudness(Loudness::quiet);
    else if (is_given(app, *parsed.command, "--verbose"))
        diagnostics.set_loudness(Loudness::verbose);
    const std::string command = parsed.command == &app ? "" : parsed.command->get_name();
    const bool forced = is_given(app, *parsed.command, "--progress");
    RunContext context{command, out, diagnostics, stop_flag(), progress_style(quiet, forced)};
    const int status = program.run(context);
    return status == kDone && diagnostics.failures() > 0 ? kSomeFailed : status;
}

// Calls `action` and turns what it throws into a message and a status.
template <typename Action>
int guarded(Diagnostics& diagnostics, const StandardOutput& output, Action action) {
    try {
        return action();
    } catch (const Error& error) {
        if (error.code() == ErrorCode::interrupted)
            return kInterrupted;
        if (output.error() == EPIPE || (error.code() == ErrorCode::io_failure && pipe_was_closed()))
            end_by_closed_pipe();
        diagnostics.fatal(error.what());
        diagnostics.detail(concat("raised in ", error.where().file_name(), ':',
                                  error.where().line(), " (", error_code_name(error.code()), ')'));
    } catch (const std::bad_alloc&) {
        diagnostics.fatal("out of memory");
    } catch (const std::exception& error) {
        diagnostics.fatal(concat("internal error: ", error.what()));
    } catch (...) {
        diagnostics.fatal("internal error: an exception of unknown type");
    }
    return kNothingDone;
}

} // namespace

int run_main(int argc, char** argv, const Program& program) {
    open_standard_descriptors();
    std::setlocale(LC_ALL, "C");
    install_signal_handlers();

    Diagnostics diagnostics(program.name);
    StandardOutput output;
    const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
    int status = guarded(diagnostics, output, [&] {
        return run_program(arguments, program, output.stream(), diagnostics);
    });
    // Also after a failure: what was finished before it is data.
    if (output.error() == 0) {
        const int closing = guarded(diagnostics, output, [&] {
            output.close();
            return kDone;
        });
        if (closing != kDone)
            status = closing;
    }
    return status == kInterrupted ? interrupted_status() : status;
}

} // namespace clip::cli

// SPDX-License-Identifier: MIT
// A small command with every kind of option, for the tests of lib/cli: it prints what it was given.
#include "base/error.hpp"
#include "cli/common_options.hpp"
#include "cli/declare.hpp"
#include "cli/progress.hpp"
#include "cli/run_main.hpp"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <optional>
#include <unistd.h>

namespace {

using namespace clip;

struct ToyOptions {
    cli::CommonOptions common;
    cli::InputOptions input;
    std::string output;
    std::string format = "jsonl";
    std::string truth;
    std::vector<std::string> labels;
    std::vector<std::string> templates;
    std::size_t top = 10;
    std::optional<float> threshold;
    bool resume = false;
    std::string act = "print"; ///< what to do: print, fail, part, stop, stuck, flood or throw
};

void define(CLI::App& app, ToyOptions& options) {
    cli::add_input_options(app, options.input, "pictures, folders or - for standard input");
    cli::add_comma_list(app, "-l,--label", options.labels, "NAME", "a class to choose from")
        ->group(cli::kInputGroup);
    cli::add_list(app, "-t,--template", options.templates, "TEXT", "a sentence with {} for a label",
                  "The label takes the place of {}. Don't forget the dot: 'a photo of a {}.'\n\n"
                  ".Several templates are averaged; a \\ stays one.")
        ->group(cli::kInputGroup);
    cli::add_text(app, "--truth", options.truth, "folder|FILE", "where the right labels are")
        ->group(cli::kInputGroup);
    cli::add_output_option(app, options.output);
    cli::add_text(app, "-f,--format", options.format, "jsonl|h5|npy", "format of the output")
        ->group(cli::kOutputGroup);
    cli::add_number(app, "-k,--top", options.top, "N", "labels to print")->group(cli::kOutputGroup);
    cli::add_number(app, "--threshold", options.threshold, "X", "least score to print")
        ->group(cli::kOutputGroup);
    auto* resume = cli::add_switch(app, "--resume,!--no-resume", options.resume,
                                   "go on after the last finished row");
    resume->group(cli::kOutputGroup)->needs(app.get_option("--output"));
    cli::add_common_options(app, options.common);
    cli::add_text(app, "--act", options.act, "WORD", "what the toy does")->group("");
}

void print(std::ostream& out, const ToyOptions& options) {
    for (const std::string& operand : options.input.operands)
        out << "operand=" << operand << '\n';
    for (const std::string& label : options.labels)
        out << "label=" << label << '\n';
    for (const std::string& text : options.templates)
        out << "template=" << text << '\n';
    out << "model=" << options.common.model << "\nthreads=" << options.common.threads
        << "\ndevice=" << options.common.device << "\nformat=" << options.format
        << "\noutput=" << options.output << "\ntop=" << options.top << '\n';
    if (options.threshold)
        out << "threshold=" << *options.threshold << '\n';
    out << "flags=" << options.input.null_separated << options.input.recursive << options.resume
        << '\n';
}

int act(const ToyOptions& options, cli::RunContext& context) {
    cli::Progress progress(context.diagnostics, context.progress);
    if (options.act == "fail")
        fail(ErrorCode::not_found, "model \"x\": not found");
    if (options.act == "part") {
        context.out << "one row\n";
        context.diagnostics.error("bad\npicture.jpg", "not a picture");
        context.diagnostics.note("a note");
        return cli::kDone;
    }
    if (options.act == "throw")
        throw std::runtime_error("of another kind");
    if (options.act == "flood")
        for (int i = 0; i < 1000000; ++i)
            context.out << "0123456789\n";
    if (options.act == "stop") {
        context.out << "finished row\n" << std::flush;
        progress.set_total(4);
        while (!context.stop)
            ::usleep(1000);
        return cli::kInterrupted;
    }
    if (options.act == "stuck") {
        context.out << "stuck\n" << std::flush;
        while (true)
            ::usleep(1000);
    }
    print(context.out, options);
    return cli::kDone;
}

} // namespace

int main(int argc, char** argv) {
    ToyOptions options;
    cli::Program program;
    program.name = "cli-toy";
    program.summary = "Print what was given";
    program.version = "1.2.3";
    program.version_lines = [] { return std::vector<std::string>{"built on nothing"}; };
    program.examples = "Examples:\n  cli-toy -l cat,dog photo.jpg\n";
    program.define = [&](CLI::App& app) { define(app, options); };
    program.run = [&](cli::RunContext& context) { return act(options, context); };
    return cli::run_main(argc, argv, program);
}

// SPDX-License-Identifier: MIT
// A small command with subcommands, for the tests of lib/cli.
#include "cli/common_options.hpp"
#include "cli/declare.hpp"
#include "cli/run_main.hpp"

#include <CLI/CLI.hpp>

int main(int argc, char** argv) {
    using namespace clip::cli;
    CommonOptions common;
    std::string model, output, layout = "open_clip";
    std::vector<std::string> texts;
    Program program;
    program.name = "cli-family";
    program.summary = "Look at checkpoints";
    program.version = "1.2.3";
    program.define = [&](CLI::App& app) {
        app.require_subcommand(1);
        CLI::App* info = app.add_subcommand("info", "show what a checkpoint holds");
        add_operand(*info, "MODEL", model, "the checkpoint");
        CLI::App* convert = app.add_subcommand("convert", "write a checkpoint in another layout");
        add_operand(*convert, "MODEL", model, "the checkpoint");
        add_text(*convert, "-o,--output", output, "FOLDER", "folder to write")->required();
        add_text(*convert, "--layout", layout, "open_clip|hf", "whose file names to use");
        CLI::App* tokens = app.add_subcommand("tokens", "show the tokens of texts");
        add_operands(*tokens, "TEXT", texts, "texts (default: standard input)");
        add_message_options(app, common);
    };
    program.run = [&](RunContext& context) {
        context.out << context.command << " model=" << model << " output=" << output
                    << " layout=" << layout << " quiet=" << common.quiet;
        for (const std::string& text : texts)
            context.out << " text=" << text;
        context.out << '\n';
        return kDone;
    };
    return run_main(argc, argv, program);
}

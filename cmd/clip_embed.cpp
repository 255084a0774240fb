// SPDX-License-Identifier: MIT
// clip-embed: pictures or texts in, embeddings out.
#include "app/embed.hpp"
#include "cli/declare.hpp"
#include "session.hpp"

#include <CLI/CLI.hpp>

namespace {

using namespace clip;

constexpr const char* kExamples = R"(Examples:
  clip-embed -m ViT-B-32.pt a.jpg b.png > embeddings.jsonl
  clip-embed -r -o photos.h5 --resume ~/Pictures
  find . -name '*.jpg' -print0 | clip-embed -0 -o photos.h5
  clip-embed --text 'a dog' 'a cat' | jq -c .embedding[0:3]
)";

void define(CLI::App& app, app::EmbedOptions& options, cli::CommonOptions& common,
            cli::InputOptions& input) {
    cli::add_input_options(app, input, "a picture, a folder (with -r), a .jsonl list, or -");
    cli::add_switch(app, "--text", options.texts, "inputs are texts, not paths of pictures",
                    "Operands are then texts as they stand, and so are lines of standard input.")
        ->group(cli::kInputGroup);
    cli::add_text(
        app, "--shard", options.shard, "K/N", "take every N-th input from the K-th",
        "K counts from 1. With auto, both are read from the environment of mpirun or "
        "srun; where there is none, every input is taken. Each run wants an output of its "
        "own.")
        ->group(cli::kInputGroup);
    cmd::add_picture_options(app, options.pictures);

    cli::add_output_option(app, options.output);
    cli::add_text(
        app, "-f,--format", options.format, "jsonl|h5|npy",
        "format where FILE's name does not say it (default: jsonl)",
        "FILE decides when it ends in .jsonl, .h5 or .npy. HDF5 and NumPy are written to a "
        "pipe whole, at the end, and never to a terminal.")
        ->group(cli::kOutputGroup);
    cli::add_switch(
        app, "--resume", options.resume, "go on with a run that was interrupted",
        "Rows in FILE and FILE.part are taken over, only other inputs are computed, and "
        "the result is that of an uninterrupted run. Where there is nothing yet, the "
        "run begins at the beginning. Rows of another model or of other settings are "
        "refused.")
        ->group(cli::kOutputGroup);
    cli::add_switch(app, "--no-normalize", options.no_normalize,
                    "leave vectors as the model gives them, not at length 1")
        ->group(cli::kOutputGroup);
    cli::add_switch(app, "--normalize", options.normalize,
                    "length 1 for --layer penultimate as well")
        ->group(cli::kOutputGroup);
    cli::add_text(app, "--layer", options.layer, "projected|penultimate",
                  "which vector of the model is wanted",
                  "The projected one lives in the space that pictures and texts share. The "
                  "penultimate one is what linear classifiers are fitted on; it is not normalised.")
        ->group(cli::kOutputGroup);
    cli::add_text(app, "--store", options.store, "fp32|fp16", "precision of the numbers written",
                  "Half the size costs three decimal digits; ranks rarely change.")
        ->group(cli::kOutputGroup);
    cmd::add_errors_option(app, options.errors);

    cli::add_common_options(app, common);
    cmd::add_activation_option(app, options.model.activation);
}

int run(cli::RunContext& context, app::EmbedOptions& options, const cli::CommonOptions& common,
        const cli::InputOptions& input) {
    cmd::take_shared_options(options, common, input);
    cmd::StandardReporter reporter(context);
    return cmd::exit_status(app::embed(options, cmd::read_environment("clip-embed"), reporter));
}

} // namespace

int main(int argc, char** argv) {
    app::EmbedOptions options;
    cli::CommonOptions common;
    cli::InputOptions input;
    return cli::run_main(
        argc, argv,
        {.name = "clip-embed",
         .summary = "turn pictures or texts into embeddings",
         .version = cmd::kVersion,
         .version_lines = cmd::version_lines,
         .examples = kExamples,
         .define = [&](CLI::App& app) { define(app, options, common, input); },
         .run = [&](cli::RunContext& context) { return run(context, options, common, input); }});
}

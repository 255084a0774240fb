// SPDX-License-Identifier: MIT
// clip-classify: pictures in, labels out.
#include "app/classify.hpp"
#include "cli/declare.hpp"
#include "session.hpp"

#include <CLI/CLI.hpp>

namespace {

using namespace clip;

constexpr const char* kExamples = R"(Examples:
  clip-classify -l dog,cat,'a diagram' photo.jpg
  clip-classify --labels birds.txt -t 'a photo of a {}, a bird.' -r photos
  clip-embed -r -o photos.h5 photos && clip-classify -l dog -l cat photos.h5
  clip-classify --labels names.txt --truth folder --summary test.json -r test
)";

void define(CLI::App& app, app::ClassifyOptions& options, cli::CommonOptions& common,
            cli::InputOptions& input) {
    cmd::add_label_options(app, options.classes);
    cli::add_text(app, "--save-classifier", options.save_classifier, "FILE",
                  "write the labels' vectors as an embedding file")
        ->group(cmd::kLabelGroup);
    cli::add_input_options(app, input, "a picture, an embedding file, a .jsonl list, or -");
    cmd::add_picture_options(app, options.pictures);

    cli::add_output_option(app, options.output);
    cli::add_text(app, "-f,--format", options.format, "jsonl|tsv",
                  "format where FILE's name does not say it (default: jsonl)",
                  "FILE decides when it ends in .jsonl or .tsv. A line of tsv is the input, then "
                  "label and score of each place. In inputs and "
                  "labels, tab, line breaks and backslash are written as \\t, \\n, \\r and \\\\.")
        ->group(cli::kOutputGroup);
    cli::add_number<std::size_t>(app, "-k,--top", options.top, "N",
                                 "how many labels a record lists", "At most as many as there are.",
                                 1)
        ->group(cli::kOutputGroup);
    cli::add_text(app, "--scores", options.scores, "softmax|cosine|logit", "what a score is",
                  "The cosine of the two vectors; the logit, which is the cosine times the model's "
                  "scale; or the softmax of the logits over all labels.")
        ->group(cli::kOutputGroup);
    cli::add_number<float>(app, "--threshold", options.threshold, "X",
                           "no label where the best score is below X",
                           "The label is then null (empty in tsv), and the list of labels stays. "
                           "It does not change the summary of --truth.")
        ->group(cli::kOutputGroup);
    cmd::add_truth_option(app, options.truth, cli::kOutputGroup);
    cli::add_text(app, "--summary", options.summary, "FILE", "write the summary of --truth as JSON")
        ->group(cli::kOutputGroup);
    cmd::add_errors_option(app, options.errors);

    cli::add_common_options(app, common);
    cmd::add_activation_option(app, options.model.activation);
}

int run(cli::RunContext& context, app::ClassifyOptions& options, const cli::CommonOptions& common,
        const cli::InputOptions& input) {
    cmd::take_shared_options(options, common, input);
    cmd::StandardReporter reporter(context);
    return cmd::exit_status(
        app::classify(options, cmd::read_environment("clip-classify"), reporter));
}

} // namespace

int main(int argc, char** argv) {
    app::ClassifyOptions options;
    cli::CommonOptions common;
    cli::InputOptions input;
    return cli::run_main(
        argc, argv,
        {.name = "clip-classify",
         .summary = "choose the labels that fit pictures best",
         .version = cmd::kVersion,
         .version_lines = cmd::version_lines,
         .examples = kExamples,
         .define = [&](CLI::App& app) { define(app, options, common, input); },
         .run = [&](cli::RunContext& context) { return run(context, options, common, input); }});
}

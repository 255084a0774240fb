// SPDX-License-Identifier: MIT
// clip-eval: what the paper measures.
#include <CLI/CLI.hpp>

#include "app/eval_zeroshot.hpp"
#include "cli/declare.hpp"
#include "session.hpp"

namespace {

using namespace clip;

constexpr const char* kExamples = R"(Examples:
  clip-eval zeroshot --labels birds.txt --truth folder -r test
  clip-eval zeroshot -l fake,real --metric auc --truth truth.tsv test.h5
)";

constexpr const char* kMetricGroup = "Measuring";

struct EvalOptions {
    cli::CommonOptions common;
    cli::InputOptions input;
    app::EvalSettings eval;
    app::EvalZeroshotOptions zeroshot;
};

void add_metric_option(CLI::App& app, app::EvalSettings& settings) {
    cli::add_text(app, "--metric", settings.metric,
                  "accuracy|mean-per-class|map11|auc|top1-top5-mean", "which figure is wanted",
                  "The mean over classes of the accuracy within each; the 11-point mean average "
                  "precision of VOC2007, where an input may have several labels; the area under "
                  "the ROC curve, of two labels; or the mean of top-1 and top-5 accuracy.")
        ->group(kMetricGroup);
}

void add_report_options(CLI::App& app, app::EvalSettings& settings) {
    cli::add_number<double>(app, "--confidence", settings.confidence, "X",
                            "how sure the interval is, between 0 and 1",
                            "Proportions have the interval of Clopper and Pearson, other figures "
                            "that of a bootstrap.")
        ->group(kMetricGroup);
    cli::add_number<std::size_t>(app, "--seed", settings.seed, "N",
                                 "of all that is drawn at random",
                                 "The same seed gives the same output, on every machine.")
        ->group(kMetricGroup);
    cli::add_output_option(app, settings.output);
}

void add_plot_option(CLI::App& app, app::EvalSettings& settings) {
    cli::add_text(app, "--plot", settings.plot, "FILE", "draw the result, as .png or .svg",
                  "Of zeroshot, which class is taken for which; of probe, the figure over the "
                  "number of examples.")
        ->group(cli::kOutputGroup);
}

void define_zeroshot(CLI::App& app, EvalOptions& options) {
    app::EvalZeroshotOptions& own = options.zeroshot;
    cmd::add_label_options(app, own.classes);
    cli::add_input_options(app, options.input, "a picture, an embedding file, a .jsonl list, or -");
    cmd::add_picture_options(app, own.pictures);
    add_metric_option(app, options.eval);
    cli::add_text(app, "--positive", own.positive, "LABEL",
                  "the label that auc ranks by (default: the second)")
        ->group(kMetricGroup);
    cmd::add_truth_option(app, own.truth);
    add_report_options(app, options.eval);
    add_plot_option(app, options.eval);
    cmd::add_errors_option(app, own.errors);
    cli::add_machine_options(app, options.common);
    cmd::add_activation_option(app, own.model.activation);
}

void define(CLI::App& app, EvalOptions& options) {
    app.require_subcommand(1);
    define_zeroshot(*app.add_subcommand("zeroshot", "classify with words, and count what is right"),
                    options);
    cli::add_message_options(app, options.common);
}

int run(cli::RunContext& context, EvalOptions& options) {
    cmd::StandardReporter reporter(context);
    const app::Environment world = cmd::read_environment("clip-eval");
    cmd::take_shared_options(options.zeroshot, options.common, options.input);
    options.zeroshot.eval = options.eval;
    return cmd::exit_status(app::eval_zeroshot(options.zeroshot, world, reporter));
}

} // namespace

int main(int argc, char** argv) {
    EvalOptions options;
    return cli::run_main(argc, argv,
                         {.name = "clip-eval",
                          .summary = "measure models as the paper does",
                          .version = cmd::kVersion,
                          .version_lines = cmd::version_lines,
                          .examples = kExamples,
                          .define = [&](CLI::App& app) { define(app, options); },
                          .run = [&](cli::RunContext& context) { return run(context, options); }});
}

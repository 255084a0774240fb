// SPDX-License-Identifier: MIT
// clip-eval: what the paper measures.
#include <CLI/CLI.hpp>

#include "app/eval_plot.hpp"
#include "app/eval_probe.hpp"
#include "app/eval_retrieval.hpp"
#include "app/eval_zeroshot.hpp"
#include "cli/declare.hpp"
#include "session.hpp"

namespace {

using namespace clip;

constexpr const char* kExamples = R"(Examples:
  clip-eval zeroshot --labels birds.txt --truth folder -r test
  clip-eval zeroshot -l fake,real --metric auc --truth truth.tsv test.h5
  clip-eval retrieval --pairs captions.tsv
  clip-embed --layer penultimate -r -o train.h5 train    # and test.h5 alike
  clip-eval probe --train train.h5 --test test.h5 --truth folder
  clip-eval plot -o curve.svg run1 run2                  # folders of clip-train
)";

constexpr const char* kMetricGroup = "Measuring";
constexpr const char* kFitGroup = "Fitting";
constexpr const char* kDrawGroup = "Drawing";

struct EvalOptions {
    cli::CommonOptions common;
    cli::InputOptions input;
    app::EvalSettings eval;
    app::EvalZeroshotOptions zeroshot;
    app::EvalRetrievalOptions retrieval;
    app::EvalProbeOptions probe;
    app::EvalPlotOptions plot;
};

void add_metric_option(CLI::App& app, app::EvalSettings& settings) {
    cli::add_text(app, "--metric", settings.metric,
                  "accuracy|mean-per-class|map11|auc|top1-top5-mean", "which figure is wanted",
                  "The mean over classes of the accuracy within each; the 11-point mean average "
                  "precision of VOC2007, where an input may have several labels; the area under "
                  "the ROC curve, of two labels; or the mean of top-1 and top-5 accuracy.")
        ->group(kMetricGroup);
}

void add_positive_option(CLI::App& app, std::string& label) {
    cli::add_text(app, "--positive", label, "LABEL",
                  "the label that auc ranks by (default: the second)")
        ->group(kMetricGroup);
}

void add_report_options(CLI::App& app, app::EvalSettings& settings) {
    cli::add_number<double>(app, "--confidence", settings.confidence, "X",
                            "how sure the interval is, between 0 and 1",
                            "Proportions have the interval of Clopper and Pearson, other figures "
                            "that of a bootstrap.")
        ->group(kMetricGroup);
    cli::add_output_option(app, settings.output);
}

void add_seed_option(CLI::App& app, app::EvalSettings& settings) {
    cli::add_number<std::size_t>(app, "--seed", settings.seed, "N",
                                 "of all that is drawn at random",
                                 "The same seed gives the same output, on every machine.")
        ->group(kMetricGroup);
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
    add_positive_option(app, own.positive);
    cmd::add_truth_option(app, own.truth, kMetricGroup);
    add_seed_option(app, options.eval);
    add_report_options(app, options.eval);
    add_plot_option(app, options.eval);
    cmd::add_errors_option(app, own.errors);
    cli::add_machine_options(app, options.common);
    cmd::add_activation_option(app, own.model.activation);
}

void define_retrieval(CLI::App& app, EvalOptions& options) {
    app::EvalRetrievalOptions& own = options.retrieval;
    cli::add_operands(app, "FILE", own.inputs,
                      "embedding files (default: encode what --pairs names)");
    cli::add_text(app, "--pairs", own.pairs, "FILE", "which pictures and captions belong together",
                  "A path, a tab and a caption in each line, a table (.tsv, .csv) whose first "
                  "line names the columns, or JSON lines with path and text. Without it, the key "
                  "path in the rows of captions says it.")
        ->group(cli::kInputGroup);
    cmd::add_picture_options(app, own.pictures);
    add_report_options(app, options.eval);
    cmd::add_errors_option(app, own.errors);
    cli::add_machine_options(app, options.common);
    cmd::add_activation_option(app, own.model.activation);
}

void define_probe(CLI::App& app, EvalOptions& options) {
    app::EvalProbeOptions& own = options.probe;
    cli::add_list(app, "--train", own.files.train, "FILE", "embedding file to fit on")
        ->group(cli::kInputGroup);
    cli::add_list(app, "--val", own.files.validation, "FILE", "embedding file to choose lambda on",
                  "Without it, a fifth of each class of --train is held out for that, drawn by "
                  "--seed.")
        ->group(cli::kInputGroup);
    cli::add_list(app, "--test", own.files.test, "FILE", "embedding file to measure on",
                  "Without it, the figure is that of the rows on which lambda was chosen.")
        ->group(cli::kInputGroup);
    cmd::add_truth_option(app, own.files.truth, kMetricGroup);
    cli::add_number<double>(app, "--lambda", own.lambda, "X",
                            "strength of the penalty (default: searched for)",
                            "The sum of the losses has X / 2 times the sum of the squared weights "
                            "added to it. scikit-learn's C is 1 / X.")
        ->group(kFitGroup);
    cli::add_number<std::size_t>(app, "--max-iterations", own.max_iterations, "N",
                                 "iterations of L-BFGS at most", "", 1, 1000000)
        ->group(kFitGroup);
    cli::add_comma_list(app, "--shots", own.shots, "K", "fit on K examples of each class, too",
                        "Commas separate several. What is drawn for more holds what is drawn for "
                        "fewer.")
        ->group(kFitGroup);
    cli::add_number<std::size_t>(app, "--repeats", own.repeats, "R",
                                 "how often examples are drawn for each K", "", 1, 1000)
        ->group(kFitGroup);
    cli::add_number<double>(app, "--zeroshot", own.zeroshot, "X",
                            "a figure of zeroshot, drawn as a level", "", 0, 1)
        ->group(kFitGroup);
    add_metric_option(app, options.eval);
    add_positive_option(app, own.positive);
    add_seed_option(app, options.eval);
    add_report_options(app, options.eval);
    add_plot_option(app, options.eval);
    cmd::add_errors_option(app, own.errors);
    cli::add_compute_options(app, options.common);
}

void define_plot(CLI::App& app, EvalOptions& options) {
    app::EvalPlotOptions& own = options.plot;
    cli::add_operands(app, "LOG", own.inputs, "a run's folder, its log.jsonl, or - (the default)");
    cli::add_text(app, "--x", own.x, "step|samples|time", "what the loss is drawn against",
                  "Time is that of training alone, as each step tells its rate.")
        ->group(kDrawGroup);
    cli::add_text(app, "--log", own.logarithmic, "x|y|xy", "logarithmic axes",
                  "The axis of accuracy is never one.")
        ->group(kDrawGroup);
    cli::add_number<std::size_t>(
        app, "--smooth", own.smooth, "N", "smooth the loss over N steps (default: chosen)",
        "Beside the loss as it is, the mean of the N steps around each, of fewer "
        "towards the ends. The default is a fiftieth of a run; 1 smooths "
        "nothing.",
        0, 1000000000)
        ->group(kDrawGroup);
    cli::add_text(app, "-o,--output", options.eval.output, "FILE",
                  "the picture, .png or .svg (must be given)",
                  "FILE is replaced only when its new content is complete.")
        ->group(cli::kOutputGroup);
}

void define(CLI::App& app, EvalOptions& options) {
    app.require_subcommand(1);
    define_zeroshot(*app.add_subcommand("zeroshot", "classify with words, and count what is right"),
                    options);
    define_retrieval(
        *app.add_subcommand("retrieval", "find captions for pictures, pictures for captions"),
        options);
    define_probe(*app.add_subcommand("probe", "fit a linear classifier on features"), options);
    define_plot(*app.add_subcommand("plot", "draw the curves of training runs"), options);
    cli::add_message_options(app, options.common);
}

int run(cli::RunContext& context, EvalOptions& options) {
    cmd::StandardReporter reporter(context);
    if (context.command == "plot")
        return cmd::exit_status(app::eval_plot(options.plot, options.eval.output, reporter));
    if (context.command == "probe") {
        options.probe.model = cmd::model_settings(options.common);
        options.probe.eval = options.eval;
        return cmd::exit_status(app::eval_probe(options.probe, reporter));
    }
    const app::Environment world = cmd::read_environment("clip-eval");
    if (context.command == "retrieval") {
        app::EvalRetrievalOptions& own = options.retrieval;
        const std::string activation = own.model.activation;
        own.model = cmd::model_settings(options.common);
        own.model.activation = activation;
        own.batch_size = options.common.batch_size;
        own.eval = options.eval;
        return cmd::exit_status(app::eval_retrieval(own, world, reporter));
    }
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

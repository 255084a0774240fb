// SPDX-License-Identifier: MIT
#include "app/eval_zeroshot.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "app/batches.hpp"
#include "app/class_truth.hpp"
#include "app/option_checks.hpp"
#include "app/scorer.hpp"
#include "base/concat.hpp"
#include "draw/plot.hpp"

namespace clip::app {

namespace {

void check_options(const EvalZeroshotOptions& options) {
    check_settings(options.eval);
    if (options.truth.empty())
        fail(ErrorCode::invalid_argument, "--truth is missing: folder, or a file of labels");
    if (!options.positive.empty() && options.eval.metric != "auc")
        fail(ErrorCode::invalid_argument, "--positive is for --metric auc only");
    if (!options.eval.plot.empty() && options.eval.metric == "map11")
        fail(ErrorCode::invalid_argument, "--plot draws which class is taken for which, and with "
                                          "--metric map11 an input may be of several");
    const FileOption inputs[] = {{"--labels", options.classes.label_file},
                                 {"--templates", options.classes.template_file},
                                 {"--classifier", options.classes.file},
                                 {"--truth", options.truth}};
    check_standard_input(inputs, options.inputs);
    const FileOption outputs[] = {
        {"--output", options.eval.output.empty() ? "-" : options.eval.output},
        {"--plot", options.eval.plot},
        {"--errors", options.errors}};
    check_distinct_outputs(outputs);
}

std::size_t positive_class(const EvalZeroshotOptions& options,
                           const std::vector<std::string>& labels) {
    if (options.positive.empty())
        return 1;
    const auto found = std::find(labels.begin(), labels.end(), options.positive);
    if (found == labels.end())
        fail(ErrorCode::invalid_argument,
             concat("read --positive: '", options.positive, "' is no label"));
    return static_cast<std::size_t>(found - labels.begin());
}

/// Counts what a batch was scored.
void count(Scorer& scorer, const ClassTruth& truth, FailureLog& failures, Evaluation& evaluation) {
    std::vector<std::size_t> classes;
    for (std::size_t i = 0; i < scorer.inputs().size(); ++i) {
        const Input& input = *scorer.inputs()[i];
        if (const std::optional<Error> error = truth.classes_of(input, classes))
            failures.add(input, *error);
        else
            evaluation.add(scorer.scores(i), classes);
    }
}

} // namespace

EvalSummary eval_zeroshot(const EvalZeroshotOptions& options, const Environment& environment,
                          Reporter& reporter) {
    check_options(options);
    const Metric metric = parse_metric(options.eval.metric);
    Machine machine(options.model);
    LazyModel model(options.model, options.pictures, environment, machine, reporter);
    const Classifier classifier = make_classifier(options.classes, model, reporter);
    const ClassTruth truth(options.truth, metric == Metric::map11, classifier.labels);
    Evaluation evaluation(metric, classifier.labels.size(),
                          positive_class(options, classifier.labels));

    InputSource source({.operands = options.inputs,
                        .null_separated = options.null_separated,
                        .recursive = options.recursive,
                        .embeddings = true,
                        .stop = &reporter.stop()});
    FailureLog failures(reporter, options.errors);
    Scorer scorer(classifier, classifier.logit_scale, model, failures, reporter);
    const std::size_t batch_size = options.batch_size > 0
                                       ? options.batch_size
                                       : scorer.batch_size(options.classes.file.empty());
    for_each_batch(source, batch_size, reporter.stop(), [&](std::vector<Input>& batch) {
        const std::optional<Error> end = scorer.score(batch);
        count(scorer, truth, failures, evaluation);
        failures.flush();
        if (end) {
            reporter.progress_end();
            failures.close();
            throw Error(*end);
        }
        reporter.progress(batch.size(), 0, source.total());
    });
    reporter.progress_end();
    failures.close();
    const EvalSummary summary{.failed = failures.count(), .interrupted = reporter.stop().load()};
    if (evaluation.n() == 0 && summary.interrupted)
        return summary;
    if (evaluation.n() == 0)
        fail(ErrorCode::invalid_argument,
             concat("evaluate: no input could be counted (", summary.failed, " failed)"));
    const Figure figure = evaluation.figure(options.eval.bootstrap(), machine.pool());
    if (std::isnan(figure.value))
        fail(ErrorCode::invalid_argument,
             concat("evaluate with ", options.eval.metric, ": it is not defined for these ",
                    evaluation.n(), " inputs, because ",
                    metric == Metric::auc ? "all are of one class" : "none is of any class"));

    JsonObject report;
    report.text("task", "zeroshot");
    add_inputs(report, options.inputs);
    report.text("model", classifier.model).text("metric", options.eval.metric);
    if (metric == Metric::auc)
        report.text("positive", classifier.labels[positive_class(options, classifier.labels)]);
    add_figure(report, figure, options.eval.confidence);
    report.count("n", evaluation.n()).count("failed", summary.failed);
    add_classes(report, evaluation, classifier.labels);
    if (summary.interrupted)
        report.truth("interrupted", true);
    if (!options.eval.plot.empty())
        write_confusion_plot(options.eval.plot, {.title = concat("zero-shot, ", classifier.model),
                                                 .labels = classifier.labels,
                                                 .counts = evaluation.confusion()});
    write_report(options.eval, report, summary.interrupted, reporter);
    return summary;
}

} // namespace clip::app

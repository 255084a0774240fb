// SPDX-License-Identifier: MIT
#include "app/eval_probe.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "app/option_checks.hpp"
#include "app/probe_fit.hpp"
#include "base/concat.hpp"
#include "draw/plot.hpp"
#include "io/path_escape.hpp"
#include "search/lbfgs.hpp"
#include "search/row_draw.hpp"

namespace clip::app {

namespace {

// Of each class, where there is no --val.
constexpr double kHeldOut = 0.2;

/// What one draw of so many examples a class came to.
struct ShotRun {
    double value = 0, lambda = 0;
    int iterations = 0;
    bool converged = false;
};

struct ShotResult {
    std::size_t shots = 0;
    std::vector<ShotRun> runs;
    double mean() const {
        double sum = 0;
        for (const ShotRun& run : runs)
            sum += run.value;
        // Rounding must not carry the mean of equal values past them.
        const auto [low, high] = range();
        return std::clamp(sum / static_cast<double>(runs.size()), low, high);
    }
    /// The standard deviation of one run; NaN for a single one.
    double deviation() const {
        double sum = 0;
        for (const ShotRun& run : runs)
            sum += (run.value - mean()) * (run.value - mean());
        return runs.size() < 2 ? std::nan("")
                               : std::sqrt(sum / static_cast<double>(runs.size() - 1));
    }
    std::pair<double, double> range() const {
        const auto [low, high] =
            std::minmax_element(runs.begin(), runs.end(), [](const ShotRun& a, const ShotRun& b) {
                return a.value < b.value;
            });
        return {low->value, high->value};
    }
};

std::vector<std::size_t> parse_shots(const std::vector<std::string>& texts) {
    std::vector<std::size_t> out;
    for (const std::string& text : texts) {
        std::size_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size() || value == 0)
            fail(ErrorCode::invalid_argument,
                 concat("read --shots: got '", text, "', want whole numbers from 1, with commas"));
        out.push_back(value);
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

void check_options(const EvalProbeOptions& options) {
    check_settings(options.eval);
    if (!has_lbfgs())
        fail(ErrorCode::unsupported, "probe is not in this build, which was configured without "
                                     "liblbfgs (Debian's package is liblbfgs-dev)");
    if (options.files.train.empty())
        fail(ErrorCode::invalid_argument, "--train is missing: an embedding file");
    if (options.files.truth.empty())
        fail(ErrorCode::invalid_argument, "--truth is missing: folder, or a file of labels");
    if (!options.positive.empty() && options.eval.metric != "auc")
        fail(ErrorCode::invalid_argument, "--positive is for --metric auc only");
    if (options.lambda && !(*options.lambda > 0 && std::isfinite(*options.lambda)))
        fail(ErrorCode::invalid_argument, "read --lambda: want a number over 0");
    if (!options.eval.plot.empty() && options.shots.empty())
        fail(ErrorCode::invalid_argument, "--plot draws the curve of --shots: give both");
    std::vector<FileOption> inputs;
    for (const std::string& file : options.files.train)
        inputs.push_back({"--train", file});
    for (const std::string& file : options.files.validation)
        inputs.push_back({"--val", file});
    for (const std::string& file : options.files.test)
        inputs.push_back({"--test", file});
    inputs.push_back({"--truth", options.files.truth});
    check_standard_input(inputs, std::vector<std::string>{"none"});
    const FileOption outputs[] = {
        {"--output", options.eval.output.empty() ? "-" : options.eval.output},
        {"--plot", options.eval.plot},
        {"--errors", options.errors}};
    check_distinct_outputs(outputs);
}

std::size_t positive_class(const std::string& label, const std::vector<std::string>& labels) {
    if (label.empty())
        return 1;
    const auto found = std::find(labels.begin(), labels.end(), label);
    if (found == labels.end())
        fail(ErrorCode::invalid_argument, concat("read --positive: '", label, "' is no class"));
    return static_cast<std::size_t>(found - labels.begin());
}

/// Every class must have as many examples as are wanted, before hours of work.
void check_shots(const ProbeData& data, const std::vector<std::uint32_t>& train,
                 const std::vector<std::size_t>& shots) {
    if (shots.empty())
        return;
    const std::vector<std::uint64_t> counts = count_rows(data.classes, train);
    const auto fewest = std::min_element(counts.begin(), counts.end());
    if (*fewest < shots.back())
        fail(ErrorCode::invalid_argument,
             concat("draw ", shots.back(), " examples of each class: '",
                    data.labels[static_cast<std::size_t>(fewest - counts.begin())], "' has only ",
                    *fewest, " to train on"));
}

/// The rows of each purpose.
struct Parts {
    std::vector<std::uint32_t> train, validation;
    bool held_out = false; ///< validation rows were taken from --train
};

Parts part(const ProbeData& data, const EvalProbeOptions& options) {
    if (!data.validation.empty())
        return {data.train, data.validation, false};
    if (options.lambda && !data.test.empty())
        return {data.train, {}, false};
    RowSplit split = hold_out(data.classes, data.train, kHeldOut, options.eval.seed);
    if (split.held_out.empty())
        fail(ErrorCode::invalid_argument, "hold out rows of --train to choose lambda on: every "
                                          "class has a single one; give --val or --lambda");
    return {std::move(split.kept), std::move(split.held_out), true};
}

ShotResult run_shots(ProbeFitter& fitter, const ProbeData& data, const Parts& parts,
                     const EvalProbeOptions& options, std::size_t shots, Reporter& reporter) {
    ShotResult out{.shots = shots};
    for (std::size_t repeat = 0; repeat < options.repeats; ++repeat) {
        const std::vector<std::uint32_t> rows =
            draw_shots(data.classes, parts.train, shots, options.eval.seed, repeat);
        const ChosenFit chosen = fitter.choose(rows, parts.validation, options.lambda);
        const double value =
            fitter.evaluate(chosen.fit.classifier, data.test.empty() ? parts.validation : data.test)
                .value();
        out.runs.push_back({value, chosen.lambda, chosen.fit.iterations, chosen.fit.converged});
        reporter.detail(concat(shots, " examples a class, draw ", repeat + 1, ": ", value));
    }
    return out;
}

void add_grid(JsonObject& report, const std::vector<GridPoint>& grid) {
    std::vector<std::string> points;
    for (const GridPoint& point : grid)
        points.push_back(JsonObject()
                             .number("lambda", point.lambda)
                             .number("value", point.value)
                             .count("iterations", static_cast<std::uint64_t>(point.iterations))
                             .truth("converged", point.converged)
                             .str());
    report.raw("grid", json_list(points));
}

void add_shots(JsonObject& report, const std::vector<ShotResult>& results) {
    std::vector<std::string> objects;
    for (const ShotResult& result : results) {
        std::vector<std::string> runs;
        for (const ShotRun& run : result.runs)
            runs.push_back(JsonObject()
                               .number("value", run.value)
                               .number("lambda", run.lambda)
                               .count("iterations", static_cast<std::uint64_t>(run.iterations))
                               .truth("converged", run.converged)
                               .str());
        const auto [low, high] = result.range();
        objects.push_back(JsonObject()
                              .count("shots", result.shots)
                              .number("mean", result.mean())
                              .number("deviation", result.deviation())
                              .number("min", low)
                              .number("max", high)
                              .raw("runs", json_list(runs))
                              .str());
    }
    report.raw("shots", json_list(objects));
}

void add_files(JsonObject& report, const char* key, const std::vector<std::string>& files) {
    std::vector<std::string> names;
    for (const std::string& file : files)
        names.push_back(io::path_to_utf8(file));
    report.texts(key, names);
}

void draw_curve(const EvalProbeOptions& options, const ProbeData& data,
                const std::vector<ShotResult>& results, double all) {
    CurvePlot plot{.title =
                       concat("Linear probe, ", data.model.empty() ? "unnamed model" : data.model),
                   .x_name = "examples a class",
                   .y_name = options.eval.metric,
                   .log_x = true};
    Curve curve{.name = "few examples"};
    for (const ShotResult& result : results) {
        const auto [low, high] = result.range();
        curve.points.push_back({static_cast<double>(result.shots), result.mean(), low, high});
    }
    plot.curves.push_back(std::move(curve));
    const auto level = [&](const char* name, double value) {
        const double none = std::nan("");
        plot.curves.push_back(
            {.name = name, .points = {{1, value, none, none}}, .dashed_level = true});
    };
    level("all examples", all);
    if (options.zeroshot)
        level("zero-shot", *options.zeroshot);
    write_curve_plot(options.eval.plot, plot);
}

} // namespace

EvalSummary eval_probe(const EvalProbeOptions& options, Reporter& reporter) {
    check_options(options);
    const std::vector<std::size_t> shots = parse_shots(options.shots);
    const Metric metric = parse_metric(options.eval.metric);
    Machine machine(options.model);
    FailureLog failures(reporter, options.errors);
    const ProbeData data =
        load_probe_data(options.files, metric == Metric::map11, failures, reporter);
    failures.close();
    const Parts parts = part(data, options);
    check_shots(data, parts.train, shots);
    const std::size_t positive = positive_class(options.positive, data.labels);
    (void)Evaluation(metric, data.labels.size(), positive); // before the work: auc of two classes
    ProbeFitter fitter(data, metric, positive, static_cast<int>(options.max_iterations),
                       machine.host_backend(), reporter);

    ChosenFit chosen = fitter.choose(parts.train, parts.validation, options.lambda);
    const bool tested = !data.test.empty();
    if (tested && !parts.validation.empty()) {
        std::vector<std::uint32_t> both = parts.train;
        both.insert(both.end(), parts.validation.begin(), parts.validation.end());
        std::sort(both.begin(), both.end());
        chosen.fit = fitter.fit(both, chosen.lambda, chosen.fit.classifier);
    }
    const Evaluation evaluation =
        fitter.evaluate(chosen.fit.classifier, tested ? data.test : parts.validation);
    const Figure figure = evaluation.figure(options.eval.bootstrap(), machine.pool());
    if (std::isnan(figure.value))
        fail(ErrorCode::invalid_argument,
             concat("evaluate with ", options.eval.metric, ": it is not defined on these ",
                    evaluation.n(), " rows, because they lack a class"));
    std::vector<ShotResult> results;
    for (const std::size_t count : shots)
        results.push_back(run_shots(fitter, data, parts, options, count, reporter));
    if (fitter.unconverged() > 0)
        reporter.warning("",
                         concat(fitter.unconverged(), fitter.unconverged() == 1 ? " fit" : " fits",
                                " did not converge within ", options.max_iterations,
                                " iterations (converged: false)"));
    if (!tested)
        reporter.note("there is no --test: measured on the rows that lambda was chosen on, which "
                      "flatters");

    JsonObject report;
    report.text("task", "probe");
    add_files(report, "train", options.files.train);
    add_files(report, "val", options.files.validation);
    add_files(report, "test", options.files.test);
    add_model(report, data.model);
    if (data.layer.empty())
        report.null("layer");
    else
        report.text("layer", data.layer);
    report.text("metric", options.eval.metric);
    if (metric == Metric::auc)
        report.text("positive", data.labels[positive]);
    add_figure(report, figure, options.eval.confidence);
    report.text("measured_on", tested ? "test" : "validation")
        .count("n", evaluation.n())
        .count("failed", failures.count())
        .number("lambda", chosen.lambda)
        .number("C", 1 / chosen.lambda)
        .count("iterations", static_cast<std::uint64_t>(chosen.fit.iterations))
        .truth("converged", chosen.fit.converged)
        .number("objective", chosen.fit.objective)
        .raw("splits", JsonObject()
                           .count("train", parts.train.size())
                           .count("validation", parts.validation.size())
                           .count("test", data.test.size())
                           .truth("held_out", parts.held_out)
                           .str());
    add_grid(report, chosen.grid);
    add_classes(report, evaluation, data.labels);
    add_shots(report, results);
    if (options.zeroshot)
        report.number("zeroshot", *options.zeroshot);
    if (!options.eval.plot.empty())
        draw_curve(options, data, results, figure.value);
    write_report(options.eval, report, false, reporter);
    return {.failed = failures.count(), .interrupted = false};
}

} // namespace clip::app

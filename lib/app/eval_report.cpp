// SPDX-License-Identifier: MIT
#include "app/eval_report.hpp"

#include <array>
#include <cmath>
#include <vector>

#include "app/text_output.hpp"
#include "base/concat.hpp"
#include "draw/plot.hpp"
#include "io/path_escape.hpp"

namespace clip::app {

namespace {

constexpr std::size_t kMostInputsNamed = 16;

double rounded(double value) {
    constexpr double kDecimals = 1e9;
    return std::round(value * kDecimals) / kDecimals;
}

} // namespace

void check_settings(const EvalSettings& settings) {
    (void)parse_metric(settings.metric);
    check_confidence(settings.confidence);
    if (!settings.plot.empty())
        check_plot_path(settings.plot);
}

void add_interval(JsonObject& out, std::string_view key, const Interval& interval) {
    const std::array<double, 2> bounds{rounded(interval.low), rounded(interval.high)};
    out.numbers(key, bounds);
}

void add_figure(JsonObject& out, const Figure& figure, double confidence) {
    out.number("value", figure.value);
    add_interval(out, "interval", figure.interval);
    out.number("confidence", confidence).text("interval_method", figure.method);
}

void add_classes(JsonObject& out, const Evaluation& evaluation,
                 std::span<const std::string> labels) {
    std::vector<std::string> objects;
    const std::vector<ClassFigure> classes = evaluation.classes();
    for (std::size_t c = 0; c < classes.size(); ++c)
        objects.push_back(JsonObject()
                              .text("label", labels[c])
                              .count("n", classes[c].n)
                              .number("value", classes[c].value)
                              .str());
    out.raw("classes", json_list(objects));
}

void add_model(JsonObject& out, const std::string& model) {
    if (model.empty())
        out.null("model");
    else
        out.text("model", model);
}

void add_inputs(JsonObject& out, std::span<const std::string> operands) {
    if (operands.size() > kMostInputsNamed) {
        out.null("inputs");
        return;
    }
    std::vector<std::string> names;
    for (const std::string& operand : operands)
        names.push_back(io::path_to_utf8(operand));
    if (names.empty())
        names.emplace_back("-");
    out.texts("inputs", names);
}

void write_report(const EvalSettings& settings, const JsonObject& report, bool interrupted,
                  Reporter& reporter) {
    TextOutput output(settings.output);
    output.write(report.str() + "\n");
    if (!interrupted) {
        output.finish();
        return;
    }
    if (const std::string part = output.keep_part(); !part.empty())
        reporter.warning("", concat("interrupted: what was measured so far is in ", part));
}

} // namespace clip::app

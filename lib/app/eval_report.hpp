// SPDX-License-Identifier: MIT
// What the tasks of clip-eval share: options of the figure, and its members in the JSON object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "app/json_object.hpp"
#include "app/reporter.hpp"
#include "search/evaluation.hpp"

namespace clip::app {

/// How a task measures, and where the result goes.
struct EvalSettings {
    std::string metric = "accuracy";
    double confidence = kConfidence;
    std::size_t seed = 0; ///< of all that is drawn at random
    std::string output;   ///< a file for the JSON object; empty or "-": standard output
    std::string plot;     ///< a picture, .png or .svg; may be empty

    BootstrapOptions bootstrap() const { return {.confidence = confidence, .seed = seed}; }
};

/// What a run came to.
struct EvalSummary {
    std::uint64_t failed = 0;
    bool interrupted = false;
};

/// Errors: invalid_argument (an unknown metric, a confidence outside (0, 1)), those of
/// check_plot_path.
void check_settings(const EvalSettings& settings);

/// Adds "value", "interval", "confidence" and "interval_method". Bounds of intervals are rounded to
/// 9 decimals: the logarithms behind them may differ in the last digit between processors.
void add_figure(JsonObject& out, const Figure& figure, double confidence);

/// `[low,high]`, rounded as above.
void add_interval(JsonObject& out, std::string_view key, const Interval& interval);

/// Adds "classes": `[{"label":...,"n":...,"value":...},...]`.
void add_classes(JsonObject& out, const Evaluation& evaluation,
                 std::span<const std::string> labels);

/// Adds "model"; null where it is empty, because nothing said it.
void add_model(JsonObject& out, const std::string& model);

/// Adds "inputs": the operands as they were given, or null where they are more than anybody reads.
void add_inputs(JsonObject& out, std::span<const std::string> operands);

/// Writes the object and a newline. What an interrupted run has measured goes to FILE.part, because
/// FILE is only ever replaced by something complete. Errors: those of TextOutput.
void write_report(const EvalSettings& settings, const JsonObject& report, bool interrupted,
                  Reporter& reporter);

} // namespace clip::app

// SPDX-License-Identifier: MIT
#include "app/eval_plot.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "app/option_checks.hpp"
#include "app/training_log.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"
#include "draw/plot.hpp"

namespace clip::app {

namespace {

constexpr std::size_t kMostPoints = 1200; ///< of one line: about two a pixel
constexpr std::size_t kSmoothShare = 50;  ///< of a run's steps, where --smooth says nothing

std::string log_path(const std::string& operand) {
    std::error_code ignored;
    if (operand != "-" && std::filesystem::is_directory(operand, ignored))
        return (std::filesystem::path(operand) / "log.jsonl").string();
    return operand;
}

/// What tells logs apart: the folder of a run; its path where that is not enough.
std::vector<std::string> names_of(const std::vector<std::string>& paths) {
    std::vector<std::string> names;
    std::map<std::string, int> times;
    for (const std::string& path : paths) {
        const std::filesystem::path file(path);
        std::string name = file.filename().string();
        if (name == "log.jsonl" && !file.parent_path().filename().empty())
            name = file.parent_path().filename().string();
        names.push_back(path == "-" ? "standard input" : name);
        ++times[names.back()];
    }
    for (std::size_t i = 0; i < names.size(); ++i)
        if (times[names[i]] > 1)
            names[i] = paths[i];
    return names;
}

/// How times are told.
struct TimeUnit {
    double seconds = 1;
    const char* name = "s";
};

TimeUnit unit_for(const std::vector<TrainingLog>& logs) {
    double longest = 0;
    for (const TrainingLog& log : logs)
        for (const auto* points : {&log.loss, &log.validation_loss, &log.validation_accuracy})
            if (!points->empty())
                longest = std::max(longest, points->back().seconds);
    if (longest >= 3 * 3600)
        return {3600, "h"};
    return longest >= 180 ? TimeUnit{60, "min"} : TimeUnit{};
}

/// The mean of `steps` values, as many before as after each: a slope stays where it is. Of fewer
/// at the beginning, where a loss falls fast; at the end only what comes after is missing, since
/// there it is flat and noise would show.
std::vector<CurvePoint> smoothed(const std::vector<CurvePoint>& points, std::size_t steps) {
    std::vector<double> sums{0.0};
    for (const CurvePoint& point : points)
        sums.push_back(sums.back() + point.y);
    std::vector<CurvePoint> out = points;
    for (std::size_t i = 0; i < points.size(); ++i) {
        const std::size_t before = std::min(steps / 2, i);
        const std::size_t after = std::min(before, points.size() - 1 - i);
        out[i].y =
            (sums[i + after + 1] - sums[i - before]) / static_cast<double>(before + after + 1);
    }
    return out;
}

/// Few enough points for a picture: of each stretch the lowest and the highest, in their order.
std::vector<CurvePoint> thinned(const std::vector<CurvePoint>& points) {
    if (points.size() <= kMostPoints)
        return points;
    std::vector<CurvePoint> out;
    const std::size_t stretches = kMostPoints / 2;
    for (std::size_t i = 0; i < stretches; ++i) {
        const auto begin = points.begin() + static_cast<long>(points.size() * i / stretches);
        const auto end = points.begin() + static_cast<long>(points.size() * (i + 1) / stretches);
        auto [low, high] = std::minmax_element(
            begin, end, [](const CurvePoint& a, const CurvePoint& b) { return a.y < b.y; });
        out.push_back(*std::min(low, high));
        if (low != high)
            out.push_back(*std::max(low, high));
    }
    return out;
}

class Drawing {
  public:
    Drawing(const EvalPlotOptions& options, const std::vector<TrainingLog>& logs)
        : options_(options), logs_(logs), unit_(unit_for(logs)) {
        std::vector<std::string> paths;
        for (const TrainingLog& log : logs)
            paths.push_back(log.path);
        names_ = names_of(paths);
    }

    std::vector<CurvePlot> plots() const {
        CurvePlot loss = empty_plot("Loss", "loss");
        loss.log_y = options_.logarithmic.find('y') != std::string::npos;
        CurvePlot accuracy = empty_plot("Validation accuracy", "accuracy");
        for (std::size_t i = 0; i < logs_.size(); ++i) {
            add_loss(loss, i);
            add(accuracy, logs_[i].validation_accuracy, one() ? "validation" : names_[i], i);
        }
        std::vector<CurvePlot> plots; // never none: a log without any figure was refused
        for (CurvePlot* plot : {&loss, &accuracy})
            if (!plot->curves.empty())
                plots.push_back(std::move(*plot));
        return plots;
    }

  private:
    bool one() const { return logs_.size() == 1; }

    CurvePlot empty_plot(const std::string& what, const char* y_name) const {
        CurvePlot plot;
        plot.title = one() ? concat(what, ", ", names_[0]) : what;
        plot.x_name = options_.x == "time" ? concat("time (", unit_.name, ")") : options_.x;
        plot.y_name = y_name;
        plot.log_x = options_.logarithmic.find('x') != std::string::npos;
        return plot;
    }

    std::vector<CurvePoint> points_of(const std::vector<LogPoint>& points) const {
        std::vector<CurvePoint> out;
        for (const LogPoint& point : points) {
            const double x = options_.x == "step"      ? point.step
                             : options_.x == "samples" ? point.samples
                                                       : point.seconds / unit_.seconds;
            out.push_back({x, point.value, std::nan(""), std::nan("")});
        }
        return out;
    }

    void add(CurvePlot& plot, const std::vector<LogPoint>& points, const std::string& name,
             std::size_t colour) const {
        if (!points.empty())
            plot.curves.push_back({.name = name,
                                   .points = thinned(points_of(points)),
                                   .style = CurveStyle::marked,
                                   .colour = colour});
    }

    void add_loss(CurvePlot& plot, std::size_t i) const {
        const std::vector<CurvePoint> points = points_of(logs_[i].loss);
        const std::size_t steps = options_.smooth > 0
                                      ? options_.smooth
                                      : std::max<std::size_t>(points.size() / kSmoothShare, 1);
        if (!points.empty() && steps > 1)
            plot.curves.push_back(
                {.points = thinned(points), .style = CurveStyle::faint, .colour = i});
        if (!points.empty())
            plot.curves.push_back({.name = one() ? "training" : names_[i],
                                   .points = thinned(smoothed(points, steps)),
                                   .style = CurveStyle::plain,
                                   .colour = i});
        add(plot, logs_[i].validation_loss,
            one() ? "validation" : concat(names_[i], ", validation"), one() ? i + 1 : i);
    }

    const EvalPlotOptions& options_;
    const std::vector<TrainingLog>& logs_;
    TimeUnit unit_;
    std::vector<std::string> names_;
};

} // namespace

EvalSummary eval_plot(const EvalPlotOptions& options, const std::string& output,
                      Reporter& reporter) {
    if (output.empty())
        fail(ErrorCode::invalid_argument, "--output is missing: a .png or .svg file");
    check_plot_path(output);
    std::vector<std::string> paths;
    for (const std::string& operand : options.inputs)
        paths.push_back(log_path(operand));
    if (paths.empty())
        paths.emplace_back("-");
    check_standard_input({}, paths);
    const FileOption outputs[] = {{"--output", output}};
    check_outputs_are_not_inputs(outputs, paths);

    EvalSummary summary;
    std::vector<TrainingLog> logs;
    for (const std::string& path : paths) {
        logs.push_back(read_training_log(path, reporter));
        summary.failed += logs.back().damaged;
    }
    summary.interrupted = reporter.stop();
    if (!summary.interrupted)
        write_curve_plots(output, Drawing(options, logs).plots());
    return summary;
}

} // namespace clip::app

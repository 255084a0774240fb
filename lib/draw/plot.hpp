// SPDX-License-Identifier: MIT
// Pictures of results: a confusion table, and curves over a number of examples.
//
// .svg shows every script and can be searched and enlarged; .png shows ASCII (Latin letters lose
// their accents, the rest is `?`) and needs the OpenCV plugin. Both are the same on every run.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace clip {

/// How often which answer was given to which truth. A cell's colour is its share of its row, on a
/// scale that shows small shares; up to 30 classes its count is written into it. Above 1,000
/// classes several neighbours share a dot, which has the colour of the largest.
struct ConfusionPlot {
    std::string title;
    std::vector<std::string> labels;   ///< C of them; none is a picture that says so
    std::vector<std::uint64_t> counts; ///< (C, C): rows truths, columns answers
};

/// Replaces `path` by the picture once it is complete.
/// Errors: invalid_argument (not .png or .svg, counts are not C x C), unsupported (.png without the
/// plugin), not_found and io_failure (from the file), out_of_memory.
void write_confusion_plot(const std::string& path, const ConfusionPlot& plot);

struct CurvePoint {
    double x = 0.0, y = 0.0;
    double low = 0.0, high = 0.0; ///< the interval, drawn as an error bar; both NaN: there is none
};

enum class CurveStyle : std::uint8_t {
    marked, ///< a line, and a marker at each point
    plain,  ///< a line
    faint,  ///< a thin, pale line: what another curve is made of; not in the legend
};

struct Curve {
    std::string name;
    std::vector<CurvePoint> points; ///< joined in this order
    bool dashed_level = false; ///< a level: one point, drawn across the plot; its x is not used
    CurveStyle style = CurveStyle::marked;
    std::optional<std::size_t> colour; ///< that of the curve at this place; empty: at its own
};

struct CurvePlot {
    std::string title, x_name, y_name;
    bool log_x = false; ///< logarithmic, with ticks at powers of two
    std::vector<Curve> curves;
    bool log_y = false; ///< logarithmic; ticks at powers of two where it is long enough for them
};

/// Replaces `path` by the picture once it is complete.
/// Errors: as above; invalid_argument (a point is not finite, its interval does not hold it, x is
/// not positive where log_x, nor y where log_y, a level without exactly one point).
void write_curve_plot(const std::string& path, const CurvePlot& plot);

/// The same for several (at least one), one below the other in one picture: their axes of x, which
/// have the same log_x, are as long and stand in line.
void write_curve_plots(const std::string& path, std::span<const CurvePlot> plots);

/// Whether such a picture can be written, to check an option before hours of work.
/// Errors: invalid_argument (not .png or .svg); unsupported (.png without the plugin).
void check_plot_path(const std::string& path);

} // namespace clip

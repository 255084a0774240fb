// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "draw/axis.hpp"
#include "draw/picture_file.hpp"
#include "draw/plot.hpp"

namespace clip {

namespace {

constexpr double kMargin = 18.0;
constexpr double kPlotWidth = 560.0, kPlotHeight = 380.0;
constexpr double kLongestName = 220.0;
constexpr double kLegendLine = 30.0; // length of the sample before a name
constexpr Colour kGrid{232, 234, 237};
constexpr Colour kFrame{154, 160, 166};

// Told apart by people with any kind of colour vision (Okabe and Ito, 2008); the yellow is left
// out, since it is faint on white.
constexpr std::array<Colour, 7> kColours{{{0, 114, 178},
                                          {213, 94, 0},
                                          {0, 158, 115},
                                          {204, 121, 167},
                                          {230, 159, 0},
                                          {86, 180, 233},
                                          {60, 60, 60}}};

const TextStyle kTitle{17.0, kInk, Align::left, false, true};
const TextStyle kTick{11.0, kFaint};
const TextStyle kAxisName{13.0, kInk, Align::centre};
const TextStyle kLegend{12.0, kInk};

/// Finite, and so is the difference of two of them.
bool is_drawable(double value) {
    return std::fabs(value) < 1e300;
}

bool has_interval(const CurvePoint& point) {
    return !std::isnan(point.low) || !std::isnan(point.high);
}

void check(const CurvePlot& plot) {
    for (const Curve& curve : plot.curves) {
        const std::string what = concat("draw curve \"", curve.name, "\": ");
        if (curve.dashed_level && curve.points.size() != 1)
            fail(ErrorCode::invalid_argument,
                 concat(what, "a level has one point (got ", curve.points.size(), ")"));
        for (const CurvePoint& point : curve.points) {
            const std::string where = concat(what, "the point at ", point.x, ": ");
            if (!is_drawable(point.y) || (!curve.dashed_level && !is_drawable(point.x)))
                fail(ErrorCode::invalid_argument,
                     concat(where, "not a finite number (got ", point.y, ")"));
            if ((plot.log_x && !curve.dashed_level && point.x <= 0.0) ||
                (plot.log_y && std::min(point.y, has_interval(point) ? point.low : point.y) <= 0.0))
                fail(ErrorCode::invalid_argument,
                     concat(where, "a logarithmic axis begins above 0"));
            // Bounds that were rounded elsewhere may miss the point by a hair.
            const double slack = 1e-9 * std::max(1.0, std::fabs(point.y));
            if (has_interval(point) &&
                !(is_drawable(point.low) && is_drawable(point.high) &&
                  point.low <= point.y + slack && point.high >= point.y - slack))
                fail(ErrorCode::invalid_argument, concat(where, "its interval does not hold it (",
                                                         point.low, " to ", point.high, ")"));
        }
    }
}

struct Range {
    double low = std::numeric_limits<double>::infinity();
    double high = -std::numeric_limits<double>::infinity();

    void add(double value) {
        low = std::min(low, value);
        high = std::max(high, value);
    }
    bool empty() const { return low > high; }
};

struct Layout {
    Axis x, y;
    double head = 0.0; ///< where it begins: the title, then the plot
    double left = 0.0, top = 0.0;
    std::vector<std::string> names; ///< shortened
    int width = 0, height = 0;      ///< of this plot alone
    std::string title;

    Point at(double to_x, double to_y) const {
        return {left + kPlotWidth * x.share(to_x), top + kPlotHeight * (1.0 - y.share(to_y))};
    }
};

/// Where the values are less than three octaves apart, powers of two would be too few ticks.
Axis log_axis(double low, double high, int most) {
    Axis axis = log2_axis(low, high, most);
    if (axis.high - axis.low > 3.0)
        return axis;
    const Axis linear = linear_axis(low, high, most / 2);
    axis.ticks.clear();
    axis.labels.clear();
    for (std::size_t i = 0; i < linear.ticks.size(); ++i)
        if (linear.ticks[i] > 0.0 && axis.share(linear.ticks[i]) >= 0.0 &&
            axis.share(linear.ticks[i]) <= 1.0) {
            axis.ticks.push_back(linear.ticks[i]);
            axis.labels.push_back(linear.labels[i]);
        }
    return axis;
}

Range range_of_x(std::span<const CurvePlot> plots) {
    Range x;
    for (const CurvePlot& plot : plots)
        for (const Curve& curve : plot.curves)
            for (const CurvePoint& point : curve.points)
                if (!curve.dashed_level)
                    x.add(point.x);
    if (x.empty())
        x = {1.0, plots.front().log_x ? 16.0 : 2.0};
    return x;
}

Range range_of_y(const CurvePlot& plot) {
    Range y;
    for (const Curve& curve : plot.curves)
        for (const CurvePoint& point : curve.points) {
            y.add(point.y);
            if (has_interval(point)) {
                y.add(point.low);
                y.add(point.high);
            }
        }
    if (y.empty())
        y = {plot.log_y ? 0.5 : 0.0, 1.0};
    return y;
}

/// The lines of the legend: all but faint curves.
std::size_t legend_lines(const CurvePlot& plot) {
    return static_cast<std::size_t>(
        std::count_if(plot.curves.begin(), plot.curves.end(),
                      [](const Curve& curve) { return curve.style != CurveStyle::faint; }));
}

Layout lay_out(const Canvas& canvas, const CurvePlot& plot, const Range& x, double head) {
    Layout layout;
    layout.head = head;
    const Range y = range_of_y(plot);
    layout.x = plot.log_x ? log2_axis(x.low, x.high, 12) : linear_axis(x.low, x.high, 7);
    layout.y = plot.log_y ? log_axis(y.low, y.high, 12) : linear_axis(y.low, y.high, 6);
    double ticks = 0.0, names = 0.0;
    for (const std::string& label : layout.y.labels)
        ticks = std::max(ticks, canvas.text_width(label, kTick));
    for (const Curve& curve : plot.curves) {
        layout.names.push_back(shorten(canvas, curve.name, kLegend, kLongestName, Shorten::middle));
        if (curve.style != CurveStyle::faint)
            names = std::max(names, canvas.text_width(layout.names.back(), kLegend));
    }
    layout.left = std::ceil(kMargin + 24.0 + ticks + 8.0);
    layout.top = head + kMargin + (plot.title.empty() ? 4.0 : 36.0);
    const double legend = names > 0.0 ? 22.0 + kLegendLine + 8.0 + names : 0.0;
    layout.width = static_cast<int>(std::ceil(layout.left + kPlotWidth + legend + kMargin + 4.0));
    const double legend_height = 20.0 * static_cast<double>(legend_lines(plot));
    layout.height = static_cast<int>(
        std::ceil(layout.top - head + std::max(kPlotHeight + 48.0, legend_height) + kMargin));
    layout.title = shorten(canvas, plot.title, kTitle, layout.width - 2.0 * kMargin, Shorten::end);
    return layout;
}

void draw_axes(Canvas& canvas, const CurvePlot& plot, const Layout& layout) {
    const double bottom = layout.top + kPlotHeight;
    TextStyle below = kTick, beside = kTick, up = kAxisName;
    below.align = Align::centre;
    beside.align = Align::right;
    up.upwards = true;
    // Labels of x that would touch the one before them are left out.
    double free_from = -1e9;
    for (std::size_t i = 0; i < layout.x.ticks.size(); ++i) {
        const double x = layout.left + kPlotWidth * layout.x.share(layout.x.ticks[i]);
        canvas.rectangle({std::round(x), layout.top, 1.0, kPlotHeight}, kGrid);
        const double half = canvas.text_width(layout.x.labels[i], kTick) / 2.0;
        if (x - half < free_from)
            continue;
        canvas.rectangle({std::round(x), bottom, 1.0, 5.0}, kFrame);
        canvas.text({x, bottom + 19.0}, layout.x.labels[i], below);
        free_from = x + half + 6.0;
    }
    for (std::size_t i = 0; i < layout.y.ticks.size(); ++i) {
        const double y = layout.top + kPlotHeight * (1.0 - layout.y.share(layout.y.ticks[i]));
        canvas.rectangle({layout.left, std::round(y), kPlotWidth, 1.0}, kGrid);
        canvas.rectangle({layout.left - 5.0, std::round(y), 5.0, 1.0}, kFrame);
        canvas.text({layout.left - 9.0, y + 4.0}, layout.y.labels[i], beside);
    }
    canvas.rectangle({layout.left, layout.top, 1.0, kPlotHeight}, kFrame);
    canvas.rectangle({layout.left, bottom, kPlotWidth, 1.0}, kFrame);
    canvas.text({layout.left + kPlotWidth / 2.0, bottom + 44.0},
                shorten(canvas, plot.x_name, kAxisName, kPlotWidth, Shorten::end), kAxisName);
    canvas.text({kMargin + 12.0, layout.top + kPlotHeight / 2.0},
                shorten(canvas, plot.y_name, kAxisName, kPlotHeight, Shorten::end), up);
}

/// Markers differ, too, where colours begin again.
void draw_marker(Canvas& canvas, Point at, std::size_t curve) {
    const Colour colour = kColours[curve % kColours.size()];
    const std::size_t round = curve / kColours.size();
    if (round % 2 == 0) {
        canvas.circle(at, 4.0, colour);
        if (round % 4 == 2)
            canvas.circle(at, 2.2, kWhite);
        return;
    }
    canvas.rectangle({at.x - 3.6, at.y - 3.6, 7.2, 7.2}, colour);
    if (round % 4 == 3)
        canvas.rectangle({at.x - 1.8, at.y - 1.8, 3.6, 3.6}, kWhite);
}

void draw_level_band(Canvas& canvas, const Layout& layout, const Curve& curve, std::size_t number) {
    const CurvePoint& point = curve.points.front();
    if (!has_interval(point) || point.low == point.high)
        return;
    const double top = layout.at(0.0, point.high).y, bottom = layout.at(0.0, point.low).y;
    canvas.rectangle({layout.left, top, kPlotWidth, bottom - top},
                     mix(kWhite, kColours[number % kColours.size()], 0.12));
}

void draw_curve(Canvas& canvas, const Layout& layout, const Curve& curve, std::size_t number) {
    const Colour colour = kColours[number % kColours.size()];
    if (curve.dashed_level) {
        const double y = layout.top + kPlotHeight * (1.0 - layout.y.share(curve.points.front().y));
        canvas.line({layout.left, y}, {layout.left + kPlotWidth, y}, {colour, 2.0, true});
        return;
    }
    std::vector<Point> points;
    for (const CurvePoint& point : curve.points) {
        points.push_back(layout.at(point.x, point.y));
        if (!has_interval(point) || point.low == point.high)
            continue;
        const double x = points.back().x;
        const double top = layout.at(point.x, point.high).y,
                     bottom = layout.at(point.x, point.low).y;
        canvas.rectangle({x - 0.6, top, 1.2, bottom - top}, colour);
        canvas.rectangle({x - 4.0, top - 0.6, 8.0, 1.2}, colour);
        canvas.rectangle({x - 4.0, bottom - 0.6, 8.0, 1.2}, colour);
    }
    const bool faint = curve.style == CurveStyle::faint;
    if (points.size() > 1)
        canvas.polyline(points,
                        {faint ? mix(kWhite, colour, 0.35) : colour, faint ? 1.0 : 2.0, false});
    // A single point makes no line.
    if (curve.style == CurveStyle::marked || points.size() == 1)
        for (const Point& point : points)
            draw_marker(canvas, point, number);
}

void draw_legend(Canvas& canvas, const CurvePlot& plot, const Layout& layout) {
    const double x = layout.left + kPlotWidth + 22.0;
    double y = layout.top + 10.0;
    for (std::size_t i = 0; i < plot.curves.size(); ++i) {
        const Curve& curve = plot.curves[i];
        if (curve.style == CurveStyle::faint)
            continue;
        const std::size_t number = curve.colour.value_or(i);
        canvas.line({x, y}, {x + kLegendLine, y},
                    {kColours[number % kColours.size()], 2.0, curve.dashed_level});
        if (!curve.dashed_level && curve.style == CurveStyle::marked)
            draw_marker(canvas, {x + kLegendLine / 2.0, y}, number);
        canvas.text({x + kLegendLine + 8.0, y + 4.3}, layout.names[i], kLegend);
        y += 20.0;
    }
}

void draw_plot(Canvas& canvas, const CurvePlot& plot, const Layout& layout) {
    canvas.text({kMargin, layout.head + kMargin + 15.0}, layout.title, kTitle);
    const auto number = [&](std::size_t i) { return plot.curves[i].colour.value_or(i); };
    bool empty = true;
    for (std::size_t i = 0; i < plot.curves.size(); ++i)
        if (plot.curves[i].dashed_level)
            draw_level_band(canvas, layout, plot.curves[i], number(i));
    draw_axes(canvas, plot, layout);
    // What is faint lies under everything else.
    for (const bool faint : {true, false})
        for (std::size_t i = 0; i < plot.curves.size(); ++i) {
            empty = empty && plot.curves[i].points.empty();
            if ((plot.curves[i].style == CurveStyle::faint) == faint)
                draw_curve(canvas, layout, plot.curves[i], number(i));
        }
    draw_legend(canvas, plot, layout);
    if (empty)
        canvas.text({layout.left + kPlotWidth / 2.0, layout.top + kPlotHeight / 2.0},
                    "There are no points.", {13.0, kFaint, Align::centre});
}

} // namespace

void write_curve_plots(const std::string& path, std::span<const CurvePlot> plots) {
    expect(!plots.empty(), "draw curves: at least one plot");
    for (const CurvePlot& plot : plots)
        check(plot);
    write_picture(path, [&](Canvas& canvas) {
        std::vector<Layout> layouts;
        const Range x = range_of_x(plots);
        int width = 0, height = 0;
        double left = 0.0;
        for (const CurvePlot& plot : plots) {
            layouts.push_back(lay_out(canvas, plot, x, height));
            left = std::max(left, layouts.back().left);
            height += layouts.back().height;
        }
        for (Layout& layout : layouts) {
            layout.width += static_cast<int>(left - layout.left); // both whole
            layout.left = left;
            width = std::max(width, layout.width);
        }
        canvas.start(width, height, plots.front().title);
        for (std::size_t i = 0; i < plots.size(); ++i)
            draw_plot(canvas, plots[i], layouts[i]);
    });
}

void write_curve_plot(const std::string& path, const CurvePlot& plot) {
    write_curve_plots(path, {&plot, 1});
}

} // namespace clip

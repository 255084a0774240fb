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
            if (plot.log_x && !curve.dashed_level && point.x <= 0.0)
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
    double left = 0.0, top = 0.0;
    std::vector<std::string> names; ///< shortened
    int width = 0, height = 0;
    std::string title;

    Point at(double to_x, double to_y) const {
        return {left + kPlotWidth * x.share(to_x), top + kPlotHeight * (1.0 - y.share(to_y))};
    }
};

void choose_axes(const CurvePlot& plot, Layout& layout) {
    Range x, y;
    for (const Curve& curve : plot.curves)
        for (const CurvePoint& point : curve.points) {
            if (!curve.dashed_level)
                x.add(point.x);
            y.add(point.y);
            if (has_interval(point)) {
                y.add(point.low);
                y.add(point.high);
            }
        }
    if (x.empty())
        x = {1.0, plot.log_x ? 16.0 : 2.0};
    if (y.empty())
        y = {0.0, 1.0};
    layout.x = plot.log_x ? log2_axis(x.low, x.high, 12) : linear_axis(x.low, x.high, 7);
    layout.y = linear_axis(y.low, y.high, 6);
}

Layout lay_out(const Canvas& canvas, const CurvePlot& plot) {
    Layout layout;
    choose_axes(plot, layout);
    double ticks = 0.0, names = 0.0;
    for (const std::string& label : layout.y.labels)
        ticks = std::max(ticks, canvas.text_width(label, kTick));
    for (const Curve& curve : plot.curves) {
        layout.names.push_back(shorten(canvas, curve.name, kLegend, kLongestName, Shorten::middle));
        names = std::max(names, canvas.text_width(layout.names.back(), kLegend));
    }
    layout.left = std::ceil(kMargin + 24.0 + ticks + 8.0);
    layout.top = kMargin + (plot.title.empty() ? 4.0 : 36.0);
    const double legend = names > 0.0 ? 22.0 + kLegendLine + 8.0 + names : 0.0;
    layout.width = static_cast<int>(std::ceil(layout.left + kPlotWidth + legend + kMargin + 4.0));
    const double legend_height = 20.0 * static_cast<double>(layout.names.size());
    layout.height = static_cast<int>(
        std::ceil(std::max(layout.top + kPlotHeight + 48.0, layout.top + legend_height) + kMargin));
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
    if (points.size() > 1)
        canvas.polyline(points, {colour, 2.0, false});
    for (const Point& point : points)
        draw_marker(canvas, point, number);
}

void draw_legend(Canvas& canvas, const CurvePlot& plot, const Layout& layout) {
    const double x = layout.left + kPlotWidth + 22.0;
    for (std::size_t i = 0; i < plot.curves.size(); ++i) {
        const double y = layout.top + 10.0 + 20.0 * static_cast<double>(i);
        canvas.line({x, y}, {x + kLegendLine, y},
                    {kColours[i % kColours.size()], 2.0, plot.curves[i].dashed_level});
        if (!plot.curves[i].dashed_level)
            draw_marker(canvas, {x + kLegendLine / 2.0, y}, i);
        canvas.text({x + kLegendLine + 8.0, y + 4.3}, layout.names[i], kLegend);
    }
}

} // namespace

void write_curve_plot(const std::string& path, const CurvePlot& plot) {
    check(plot);
    write_picture(path, [&](Canvas& canvas) {
        const Layout layout = lay_out(canvas, plot);
        canvas.start(layout.width, layout.height, plot.title);
        canvas.text({kMargin, kMargin + 15.0}, layout.title, kTitle);
        bool empty = true;
        for (std::size_t i = 0; i < plot.curves.size(); ++i)
            if (plot.curves[i].dashed_level)
                draw_level_band(canvas, layout, plot.curves[i], i);
        draw_axes(canvas, plot, layout);
        for (std::size_t i = 0; i < plot.curves.size(); ++i) {
            empty = empty && plot.curves[i].points.empty();
            draw_curve(canvas, layout, plot.curves[i], i);
        }
        draw_legend(canvas, plot, layout);
        if (empty)
            canvas.text({layout.left + kPlotWidth / 2.0, layout.top + kPlotHeight / 2.0},
                        "There are no points.", {13.0, kFaint, Align::centre});
    });
}

} // namespace clip

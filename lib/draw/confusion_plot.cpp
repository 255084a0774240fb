// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cmath>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "draw/axis.hpp"
#include "draw/picture_file.hpp"
#include "draw/plot.hpp"

namespace clip {

namespace {

constexpr double kMargin = 18.0;
constexpr double kLongestLabel = 170.0;
constexpr double kMostText = 720.0;      // a title is shortened beyond this
constexpr std::size_t kWithCounts = 30;  // classes
constexpr std::size_t kWithRects = 100;  // classes; above, one picture holds all cells
constexpr std::size_t kMostCells = 1000; // along a side
constexpr Colour kNoInputs{236, 236, 236};
constexpr Colour kFrame{189, 193, 198};

const TextStyle kTitle{17.0, kInk, Align::left, false, true};
const TextStyle kSubtitle{12.0, kFaint};
const TextStyle kAxisName{12.0, kFaint, Align::centre};
const TextStyle kScaleTick{10.0, kFaint};

/// The colour of a share in [0, 1], white to dark blue. The square root tells 1 % from nothing.
Colour colour_of(double share) {
    constexpr std::array<Colour, 5> kStops{
        {{255, 255, 255}, {196, 219, 241}, {104, 163, 216}, {29, 98, 171}, {9, 38, 92}}};
    const double at = std::sqrt(std::clamp(share, 0.0, 1.0)) * (kStops.size() - 1);
    const auto stop = std::min(static_cast<std::size_t>(at), kStops.size() - 2);
    return mix(kStops[stop], kStops[stop + 1], at - static_cast<double>(stop));
}

std::string percent(double share) {
    const double value = 100.0 * share;
    return concat(format_fixed(value, value > 0.0 && value < 99.95 ? 1 : 0), " %");
}

/// The table, counted through.
struct Table {
    const ConfusionPlot& plot;
    std::size_t classes;
    std::vector<double> row_sums;
    double sum = 0.0, right = 0.0;

    explicit Table(const ConfusionPlot& from) : plot(from), classes(from.labels.size()) {
        for (std::size_t i = 0; i < classes; ++i) {
            double row = 0.0;
            for (std::size_t j = 0; j < classes; ++j)
                row += static_cast<double>(count(i, j));
            row_sums.push_back(row);
            sum += row;
            right += static_cast<double>(count(i, i));
        }
    }
    std::uint64_t count(std::size_t truth, std::size_t answer) const {
        return plot.counts[truth * classes + answer];
    }
    double share(std::size_t truth, std::size_t answer) const {
        return row_sums[truth] > 0.0 ? static_cast<double>(count(truth, answer)) / row_sums[truth]
                                     : 0.0;
    }
};

/// Where things are. The grid's upper left corner is (left, top).
struct Layout {
    std::size_t group = 1; ///< classes a cell along each side
    std::size_t cells = 0; ///< along each side
    double cell = 0.0;     ///< side of a cell
    double side = 0.0;     ///< of the grid
    std::size_t label_step = 1;
    TextStyle label;
    std::vector<std::string> labels; ///< one a labelled class, shortened
    bool upright = false;            ///< labels of columns read from below
    double left = 0.0, top = 0.0;
    double name_of_columns = 0.0; ///< its baseline
    double bar_height = 0.0;
    int width = 0, height = 0;
    std::string title, subtitle;
};

double cell_side(std::size_t cells) {
    if (cells <= 3)
        return 88.0;
    if (cells <= 6)
        return 64.0;
    if (cells <= 12)
        return 48.0;
    if (cells <= 20)
        return 38.0;
    if (cells <= kWithCounts)
        return 32.0;
    if (cells <= 60)
        return 16.0;
    if (cells <= 100)
        return 12.0;
    if (cells <= 160)
        return 9.0;
    // Half pixels are whole ones in a PNG.
    return std::max(1.0, std::floor(2.0 * 1000.0 / static_cast<double>(cells)) / 2.0);
}

void lay_out_labels(const Canvas& canvas, const Table& table, Layout& layout) {
    layout.label.size = std::clamp(layout.cell * 0.75, 7.5, 12.0);
    const double per_class = layout.cell / static_cast<double>(layout.group);
    layout.label_step =
        std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(9.0 / per_class)));
    double longest = 0.0;
    for (std::size_t i = 0; i < table.classes; i += layout.label_step) {
        layout.labels.push_back(
            shorten(canvas, table.plot.labels[i], layout.label, kLongestLabel, Shorten::middle));
        longest = std::max(longest, canvas.text_width(layout.labels.back(), layout.label));
    }
    layout.upright = longest > layout.cell - 6.0;
    // Whole pixels, so that cells have sharp edges.
    layout.left = std::ceil(kMargin + 22.0 + longest + 9.0);
    layout.top = kMargin + (table.plot.title.empty() ? 42.0 : 64.0);
    layout.name_of_columns =
        std::ceil(layout.top + layout.side + (layout.upright ? longest + 11.0 : 20.0) + 18.0);
    layout.height = static_cast<int>(
        std::max(layout.name_of_columns, layout.top + layout.bar_height) + kMargin);
}

Layout lay_out(const Canvas& canvas, const Table& table) {
    Layout layout;
    layout.group = (table.classes + kMostCells - 1) / kMostCells;
    layout.cells = (table.classes + layout.group - 1) / layout.group;
    layout.cell = cell_side(layout.cells);
    layout.side = layout.cell * static_cast<double>(layout.cells);
    layout.bar_height = std::clamp(layout.side, 150.0, 420.0);
    lay_out_labels(canvas, table, layout);

    layout.subtitle = concat(format_count(static_cast<std::uint64_t>(table.sum)),
                             table.sum == 1.0 ? " input" : " inputs");
    if (table.sum > 0.0)
        layout.subtitle += concat(", ", percent(table.right / table.sum), " of them right");
    if (layout.group > 1)
        layout.subtitle += concat("; a dot is the largest of ", layout.group, " x ", layout.group);
    const double grid_width = layout.left + layout.side + 28.0 + 14.0 + 50.0 + kMargin;
    const double room = std::max(kMostText, grid_width - 2.0 * kMargin);
    layout.title = shorten(canvas, table.plot.title, kTitle, room, Shorten::end);
    const double text_width = std::max(canvas.text_width(layout.title, kTitle),
                                       canvas.text_width(layout.subtitle, kSubtitle));
    layout.width = static_cast<int>(std::ceil(std::max(grid_width, text_width + 2.0 * kMargin)));
    return layout;
}

void draw_labels(Canvas& canvas, const Layout& layout, std::size_t classes) {
    const double per_class = layout.cell / static_cast<double>(layout.group);
    const double bottom = layout.top + layout.side;
    const double middle_of_text = layout.label.size * 0.36;
    TextStyle row = layout.label, column = layout.label;
    row.align = Align::right;
    column.align = layout.upright ? Align::right : Align::centre;
    column.upwards = layout.upright;
    for (std::size_t i = 0; i < classes; i += layout.label_step) {
        const double at = (static_cast<double>(i) + 0.5) * per_class;
        const std::string& label = layout.labels[i / layout.label_step];
        canvas.text({layout.left - 7.0, layout.top + at + middle_of_text}, label, row);
        if (layout.upright)
            canvas.text({layout.left + at + middle_of_text, bottom + 7.0}, label, column);
        else
            canvas.text({layout.left + at, bottom + 16.0}, label, column);
        if (layout.label_step > 1) {
            const Stroke tick{kFrame, 1.0};
            canvas.line({layout.left - 4.0, layout.top + at}, {layout.left, layout.top + at}, tick);
            canvas.line({layout.left + at, bottom}, {layout.left + at, bottom + 4.0}, tick);
        }
    }
    TextStyle up = kAxisName;
    up.upwards = true;
    canvas.text({kMargin + 10.0, layout.top + layout.side / 2.0}, "truth", up);
    canvas.text({layout.left + layout.side / 2.0, layout.name_of_columns}, "answer", kAxisName);
}

/// The count in the largest size that fits into a cell, if any does.
void draw_count(Canvas& canvas, const Layout& layout, const Box& box, std::uint64_t count,
                Colour fill) {
    TextStyle style{13.0, is_dark(fill) ? kWhite : kInk, Align::centre};
    for (const std::string& text : {concat(count), format_short_count(count)})
        for (style.size = 13.0; style.size >= 9.0; style.size -= 1.0)
            if (canvas.text_width(text, style) <= layout.cell - 5.0) {
                canvas.text({box.x + box.width / 2.0, box.y + box.height / 2.0 + style.size * 0.36},
                            text, style);
                return;
            }
}

void draw_rectangles(Canvas& canvas, const Table& table, const Layout& layout) {
    const double gap = table.classes <= kWithCounts ? 1.0 : 0.0;
    const auto& labels = table.plot.labels;
    for (std::size_t i = 0; i < table.classes; ++i)
        for (std::size_t j = 0; j < table.classes; ++j) {
            const std::uint64_t count = table.count(i, j);
            if (count == 0)
                continue;
            const Box box{layout.left + layout.cell * static_cast<double>(j) + gap,
                          layout.top + layout.cell * static_cast<double>(i) + gap,
                          layout.cell - gap, layout.cell - gap};
            const Colour fill = colour_of(table.share(i, j));
            canvas.rectangle(box, fill,
                             concat(labels[i], " \xe2\x86\x92 ", labels[j], ": ",
                                    format_count(count), " (", percent(table.share(i, j)), ")"));
            if (table.classes <= kWithCounts)
                draw_count(canvas, layout, box, count, fill);
        }
}

void draw_picture(Canvas& canvas, const Table& table, const Layout& layout) {
    std::vector<std::uint8_t> pixels(layout.cells * layout.cells * 3);
    for (std::size_t y = 0; y < layout.cells; ++y)
        for (std::size_t x = 0; x < layout.cells; ++x) {
            double share = 0.0, inputs = 0.0;
            for (std::size_t i = y * layout.group;
                 i < std::min((y + 1) * layout.group, table.classes); ++i) {
                inputs += table.row_sums[i];
                for (std::size_t j = x * layout.group;
                     j < std::min((x + 1) * layout.group, table.classes); ++j)
                    share = std::max(share, table.share(i, j));
            }
            const Colour fill = inputs > 0.0 ? colour_of(share) : kNoInputs;
            std::uint8_t* pixel = pixels.data() + (y * layout.cells + x) * 3;
            pixel[0] = fill.red;
            pixel[1] = fill.green;
            pixel[2] = fill.blue;
        }
    const auto cells = static_cast<int>(layout.cells);
    canvas.picture({layout.left, layout.top, layout.side, layout.side},
                   {cells, cells, pixels.data()});
}

void draw_grid(Canvas& canvas, const Table& table, const Layout& layout) {
    const Box grid{layout.left, layout.top, layout.side, layout.side};
    if (table.classes > kWithRects) {
        draw_picture(canvas, table, layout);
    } else {
        for (std::size_t i = 0; i < table.classes; ++i)
            if (table.row_sums[i] == 0.0)
                canvas.rectangle({layout.left, layout.top + layout.cell * static_cast<double>(i),
                                  layout.side, layout.cell},
                                 kNoInputs);
        draw_rectangles(canvas, table, layout);
    }
    if (table.classes <= kWithCounts)
        for (std::size_t i = 1; i < table.classes; ++i) {
            const double at = layout.cell * static_cast<double>(i);
            constexpr Colour kRule{232, 234, 237};
            canvas.rectangle({grid.x, grid.y + at, grid.width, 1.0}, kRule);
            canvas.rectangle({grid.x + at, grid.y, 1.0, grid.height}, kRule);
        }
    canvas.rectangle({grid.x - 1.0, grid.y - 1.0, grid.width + 2.0, 1.0}, kFrame);
    canvas.rectangle({grid.x - 1.0, grid.y + grid.height, grid.width + 2.0, 1.0}, kFrame);
    canvas.rectangle({grid.x - 1.0, grid.y, 1.0, grid.height}, kFrame);
    canvas.rectangle({grid.x + grid.width, grid.y, 1.0, grid.height}, kFrame);
}

void draw_scale(Canvas& canvas, const Layout& layout) {
    const double x = layout.left + layout.side + 28.0, bar = 14.0;
    // Each step reaches down to the end, so that no seam shows between two.
    const auto steps = static_cast<int>(layout.bar_height / 2.0);
    for (int i = 0; i < steps; ++i) {
        const double above = static_cast<double>(i) / steps;
        const double at = 1.0 - (i + 0.5) / steps;
        canvas.rectangle(
            {x, layout.top + above * layout.bar_height, bar, (1.0 - above) * layout.bar_height},
            colour_of(at * at));
    }
    for (const double share : {0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0}) {
        const double y = layout.top + (1.0 - std::sqrt(share)) * layout.bar_height;
        canvas.rectangle({x + bar, y - 0.5, 4.0, 1.0}, kFrame);
        canvas.text({x + bar + 7.0, y + 3.6}, concat(format_fixed(100.0 * share, 0), " %"),
                    kScaleTick);
    }
    canvas.text({x, layout.top - 11.0}, "of the row", kScaleTick);
}

void draw_empty(Canvas& canvas, const std::string& title) {
    const std::string shown = shorten(canvas, title, kTitle, kMostText, Shorten::end);
    const double width = std::max(320.0, canvas.text_width(shown, kTitle) + 2.0 * kMargin);
    canvas.start(static_cast<int>(std::ceil(width)), 140, title);
    canvas.text({kMargin, kMargin + 15.0}, shown, kTitle);
    canvas.text({kMargin, 90.0}, "There are no classes.", kSubtitle);
}

} // namespace

void write_confusion_plot(const std::string& path, const ConfusionPlot& plot) {
    const std::size_t classes = plot.labels.size();
    if (plot.counts.size() != classes * classes)
        fail(ErrorCode::invalid_argument,
             concat("draw confusion table: it has the wrong size (got ", plot.counts.size(),
                    " counts, want ", classes, " x ", classes, ")"));
    const Table table(plot);
    write_picture(path, [&](Canvas& canvas) {
        if (classes == 0)
            return draw_empty(canvas, plot.title);
        const Layout layout = lay_out(canvas, table);
        canvas.start(layout.width, layout.height, plot.title);
        canvas.text({kMargin, kMargin + 15.0}, layout.title, kTitle);
        canvas.text({kMargin, kMargin + (layout.title.empty() ? 12.0 : 34.0)}, layout.subtitle,
                    kSubtitle);
        draw_grid(canvas, table, layout);
        draw_labels(canvas, layout, classes);
        draw_scale(canvas, layout);
    });
}

} // namespace clip

// SPDX-License-Identifier: MIT
#include <cmath>
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include "draw/plot.hpp"
#include "markup_reader.hpp"
#include "output_folder.hpp"

namespace {

using clip::ErrorCode;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

clip::ConfusionPlot table(std::size_t classes) {
    clip::ConfusionPlot plot;
    plot.title = "a title";
    for (std::size_t i = 0; i < classes; ++i)
        plot.labels.push_back("class " + std::to_string(i));
    plot.counts.resize(classes * classes);
    for (std::size_t i = 0; i < classes; ++i) {
        plot.counts[i * classes + i] = 3;
        plot.counts[i * classes + (i + 1) % classes] += 1;
    }
    return plot;
}

clip::CurvePlot curves() {
    clip::CurvePlot plot{"few-shot", "shots", "accuracy", true, {}};
    plot.curves.push_back({"probe",
                           {{1, 0.4, 0.35, 0.45},
                            {2, 0.5, 0.45, 0.55},
                            {4, 0.6, 0.55, 0.65},
                            {8, 0.7, 0.65, 0.75},
                            {16, 0.8, 0.75, 0.85}},
                           false});
    plot.curves.push_back({"zero-shot", {{0, 0.63, 0.6, 0.66}}, true});
    return plot;
}

std::vector<Element> svg(const OutputFolder& folder, const clip::ConfusionPlot& plot) {
    clip::write_confusion_plot(folder / "plot.svg", plot);
    return MarkupReader::read(read_file(folder / "plot.svg"), false);
}

std::vector<Element> svg(const OutputFolder& folder, const clip::CurvePlot& plot) {
    clip::write_curve_plot(folder / "plot.svg", plot);
    return MarkupReader::read(read_file(folder / "plot.svg"), false);
}

bool has_text(const std::vector<Element>& elements, const std::string& text) {
    for (const Element& element : named(elements, "text"))
        if (element.text == text)
            return true;
    return false;
}

/// Everything drawn lies inside the picture (texts by their anchor).
void check_inside(const std::vector<Element>& elements) {
    const double width = std::stod(elements[0].attributes.at("width"));
    const double height = std::stod(elements[0].attributes.at("height"));
    for (const Element& element : elements) {
        if (!element.attributes.contains("x"))
            continue;
        const double x = std::stod(element.attributes.at("x"));
        const double y = std::stod(element.attributes.at("y"));
        CHECK((x >= 0.0 && x <= width && y >= 0.0 && y <= height));
        if (element.name != "rect" && element.name != "image")
            continue;
        CHECK(x + std::stod(element.attributes.at("width")) <= width + 0.01);
        CHECK(y + std::stod(element.attributes.at("height")) <= height + 0.01);
    }
}

template <typename Call>
void check_fails(ErrorCode code, const std::string& part, const Call& call) {
    try {
        call();
        FAIL_CHECK("nothing was thrown");
    } catch (const clip::Error& error) {
        CHECK(error.code() == code);
        CAPTURE(error.what());
        CHECK(std::string(error.what()).find(part) != std::string::npos);
    }
}

} // namespace

TEST_CASE("confusion plot: counts, labels and shares are in the SVG") {
    const OutputFolder folder;
    clip::ConfusionPlot plot{"cats & dogs", {"cat", "dog", "<b>"}, {7, 3, 0, 0, 10, 0, 0, 0, 0}};
    const auto elements = svg(folder, plot);
    check_inside(elements);
    for (const char* text : {"cats & dogs", "cat", "dog", "<b>", "7", "3", "10", "truth", "answer",
                             "20 inputs, 85.0 % of them right"})
        CHECK_MESSAGE(has_text(elements, text), text);
    CHECK_FALSE(has_text(elements, "0"));
    std::vector<std::string> hints;
    for (const Element& element : named(elements, "title"))
        hints.push_back(element.text);
    CHECK(hints == std::vector<std::string>{"cats & dogs", "cat \xe2\x86\x92 cat: 7 (70.0 %)",
                                            "cat \xe2\x86\x92 dog: 3 (30.0 %)",
                                            "dog \xe2\x86\x92 dog: 10 (100 %)"});
}

TEST_CASE("confusion plot: any number of classes stays inside a picture of bounded size") {
    const OutputFolder folder;
    for (const std::size_t classes :
         {1, 2, 5, 12, 30, 31, 60, 100, 101, 160, 300, 1000, 1001, 2001}) {
        CAPTURE(classes);
        const auto elements = svg(folder, table(classes));
        check_inside(elements);
        CHECK(std::stod(elements[0].attributes.at("width")) <= 1700.0);
        CHECK(std::stod(elements[0].attributes.at("height")) <= 1700.0);
        CHECK(named(elements, "image").size() == (classes > 100 ? 1 : 0));
        CHECK(named(elements, "text").size() >= 2 * std::min<std::size_t>(classes, 60));
        CHECK(named(elements, "text").size() < 700 + 2 * 900);
    }
}

TEST_CASE("confusion plot: a PNG is twice the SVG, and dark where the share is large") {
    const OutputFolder folder;
    const clip::ConfusionPlot plot{"", {"a", "b"}, {1, 0, 9, 1}};
    const auto elements = svg(folder, plot);
    clip::write_confusion_plot(folder / "plot.PNG", plot);
    const clip::Image image = read_picture(folder / "plot.PNG");
    CHECK(image.width ==
          doctest::Approx(2 * std::stoi(elements[0].attributes.at("width"))).epsilon(0.2));
    // The cells: two columns and rows of 88 pixels, found by the darkest blue (100 %).
    const std::uint32_t darkest = 0x09265c;
    int x0 = image.width, y0 = image.height, x1 = 0, y1 = 0;
    for (int y = 0; y < image.height; ++y)
        for (int x = 0; x < image.width; ++x)
            if (pixel_at(image, x, y) == darkest && x < image.width / 2) {
                x0 = std::min(x0, x);
                y0 = std::min(y0, y);
                x1 = std::max(x1, x);
                y1 = std::max(y1, y);
            }
    CHECK(x1 - x0 == doctest::Approx(2 * 87 - 1));
    CHECK(y1 - y0 == doctest::Approx(2 * 87 - 1));
    const int right = x0 + 2 * 88 + 10, below = y0 + 2 * 88 + 10;
    CHECK(pixel_at(image, right, y0 + 10) == 0xffffff);     // 0 of 1
    CHECK((pixel_at(image, x0 + 10, below) & 0xff) < 0xa0); // 9 of 10
    CHECK((pixel_at(image, right, below) & 0xff) > 0xd0);   // 1 of 10
    CHECK(pixel_at(image, right, below) != 0xffffff);
}

TEST_CASE("confusion plot: no classes, no inputs, hostile and long labels") {
    const OutputFolder folder;
    CHECK(has_text(svg(folder, clip::ConfusionPlot{"empty", {}, {}}), "There are no classes."));
    clip::write_confusion_plot(folder / "empty.png", {"empty", {}, {}});
    CHECK(read_picture(folder / "empty.png").height > 100);

    const auto none = svg(folder, clip::ConfusionPlot{"", {"a"}, {0}});
    CHECK(has_text(none, "0 inputs"));
    check_inside(none);

    clip::ConfusionPlot plot = table(3);
    plot.labels = {std::string(100000, 'w'), "\xff\xfe</text>", "\xe7\x8c\xab\n\x01"};
    plot.title = std::string(5000, 'W');
    const auto hostile = svg(folder, plot);
    check_inside(hostile);
    CHECK(std::stod(hostile[0].attributes.at("width")) < 1000.0);
    CHECK(has_text(hostile, "\xef\xbf\xbd\xef\xbf\xbd</text>"));
    clip::write_confusion_plot(folder / "hostile.png", plot);
    CHECK(read_picture(folder / "hostile.png").width < 2000);

    plot.counts = {~std::uint64_t{0}, ~std::uint64_t{0}, 1, 0, 0, 0, 1, 2, 123456789012};
    check_inside(svg(folder, plot));
}

TEST_CASE("curve plot: points are where the axes say") {
    const OutputFolder folder;
    const auto elements = svg(folder, curves());
    check_inside(elements);
    for (const char* text : {"few-shot", "shots", "accuracy", "probe", "zero-shot", "1", "2", "4",
                             "8", "16", "0.4", "0.6", "0.8"})
        CHECK_MESSAGE(has_text(elements, text), text);
    // Five points on a line in logarithms: steps of the same size to the right and up.
    const auto line = named(elements, "polyline");
    REQUIRE(line.size() >= 2);
    std::vector<double> xs, ys;
    std::string points;
    for (const Element& element : line)
        if (!element.attributes.contains("stroke-dasharray") &&
            element.attributes.at("points").size() > 40)
            points = element.attributes.at("points");
    for (std::size_t at = 0; at < points.size();) {
        std::size_t used = 0;
        xs.push_back(std::stod(points.substr(at), &used));
        at += used + 1;
        ys.push_back(std::stod(points.substr(at), &used));
        at += used + 1;
    }
    REQUIRE(xs.size() == 5);
    for (std::size_t i = 2; i < 5; ++i) {
        CHECK(xs[i] - xs[i - 1] == doctest::Approx(xs[1] - xs[0]).epsilon(0.001));
        CHECK(ys[i] - ys[i - 1] == doctest::Approx(ys[1] - ys[0]).epsilon(0.001));
    }
    // The label "4" stands below the third point, "0.6" beside it.
    for (const Element& text : named(elements, "text")) {
        if (text.text == "4")
            CHECK(std::stod(text.attributes.at("x")) == doctest::Approx(xs[2]));
        if (text.text == "0.6")
            CHECK(std::stod(text.attributes.at("y")) == doctest::Approx(ys[2] + 4.0));
    }
    int dashed = 0;
    for (const Element& element : line)
        dashed += element.attributes.contains("stroke-dasharray") ? 1 : 0;
    CHECK(dashed == 2); // the level and its line in the legend
}

TEST_CASE("curve plot: nothing, one point, many curves, long names") {
    const OutputFolder folder;
    CHECK(has_text(svg(folder, clip::CurvePlot{"", "x", "y", true, {}}), "There are no points."));
    check_inside(
        svg(folder, clip::CurvePlot{"", "", "", false, {{"one", {{3, 7, kNan, kNan}}, false}}}));
    check_inside(
        svg(folder, clip::CurvePlot{"", "", "", true, {{"level", {{kNan, 7, 7, 7}}, true}}}));
    clip::CurvePlot many = curves();
    for (int i = 0; i < 40; ++i)
        many.curves.push_back({std::string(200, 'm') + std::to_string(i),
                               {{1, i * 1.0, kNan, kNan}, {1e6, -i * 1e-3, kNan, kNan}},
                               false});
    const auto elements = svg(folder, many);
    check_inside(elements);
    CHECK(std::stod(elements[0].attributes.at("width")) < 1200.0);
    clip::write_curve_plot(folder / "many.png", many);
    CHECK(read_picture(folder / "many.png").width < 2400);
}

TEST_CASE("curve plot: several below each other, their axes of x in line") {
    const OutputFolder folder;
    clip::CurvePlot wide{"loss", "step", "loss", false, {}};
    wide.curves.push_back({.name = "pale",
                           .points = {{0, 1, kNan, kNan}, {100, 90000, kNan, kNan}},
                           .style = clip::CurveStyle::faint,
                           .colour = 1});
    wide.curves.push_back({.name = "smooth",
                           .points = {{0, 1, kNan, kNan}, {50, 9, kNan, kNan}},
                           .style = clip::CurveStyle::plain});
    clip::CurvePlot narrow{"accuracy", "step", "share", false, {}};
    narrow.curves.push_back({"validation", {{50, 0.5, kNan, kNan}, {60, 0.6, kNan, kNan}}, false});
    const std::vector<clip::CurvePlot> plots{wide, narrow};
    clip::write_curve_plots(folder / "plot.svg", plots);
    const auto elements = MarkupReader::read(read_file(folder / "plot.svg"), false);
    check_inside(elements);
    for (const char* text : {"loss", "accuracy", "share", "smooth", "validation"})
        CHECK_MESSAGE(has_text(elements, text), text);
    CHECK_FALSE(has_text(elements, "pale")); // not in the legend
    std::vector<double> places;
    for (const Element& text : named(elements, "text"))
        if (text.text == "40")
            places.push_back(std::stod(text.attributes.at("x")));
    REQUIRE(places.size() == 2);
    CHECK(places[0] == places[1]);
    // One alone is as before.
    clip::write_curve_plot(folder / "one.svg", narrow);
    clip::write_curve_plots(folder / "several.svg", {&narrow, 1});
    CHECK(read_file(folder / "one.svg") == read_file(folder / "several.svg"));
}

TEST_CASE("curve plot: a logarithmic axis of y has ticks however short it is") {
    const OutputFolder folder;
    for (const double top : {2.02, 2.5, 5.0, 2000.0}) {
        clip::CurvePlot plot{
            "", "x", "y", false, {{"c", {{1, 2, kNan, kNan}, {2, top, kNan, kNan}}, false}}, true};
        const auto elements = svg(folder, plot);
        check_inside(elements);
        CAPTURE(top);
        CHECK(named(elements, "text").size() >= 3 + 5 + 2); // names, ticks of x, of y
    }
    clip::CurvePlot plot{"", "x", "y", false, {{"c", {{1, 0, kNan, kNan}}, false}}, true};
    check_fails(ErrorCode::invalid_argument, "a logarithmic axis begins above 0",
                [&] { clip::write_curve_plot(folder / "no.svg", plot); });
}

TEST_CASE("plots: the same bytes every time, and no other file is left") {
    const OutputFolder folder;
    for (const std::string ending : {".png", ".svg"}) {
        clip::write_confusion_plot(folder / ("a" + ending), table(20));
        const std::string first = read_file(folder / ("a" + ending));
        clip::write_confusion_plot(folder / ("a" + ending), table(20));
        CHECK(read_file(folder / ("a" + ending)) == first);
        clip::write_curve_plot(folder / ("b" + ending), curves());
        const std::string second = read_file(folder / ("b" + ending));
        clip::write_curve_plot(folder / ("b" + ending), curves());
        CHECK(read_file(folder / ("b" + ending)) == second);
    }
    CHECK(folder.names() == std::vector<std::string>{"a.png", "a.svg", "b.png", "b.svg"});
}

TEST_CASE("plots: what cannot be drawn is an error, and leaves an old file alone") {
    const OutputFolder folder;
    clip::write_curve_plot(folder / "plot.svg", curves());
    const std::string before = read_file(folder / "plot.svg");
    const auto broken = [&](const std::string& part, const auto& change) {
        clip::CurvePlot plot = curves();
        change(plot);
        check_fails(ErrorCode::invalid_argument, part,
                    [&] { clip::write_curve_plot(folder / "plot.svg", plot); });
    };
    broken("\"probe\": the point at 2: not a finite",
           [](auto& p) { p.curves[0].points[1].y = kNan; });
    broken("not a finite", [](auto& p) { p.curves[0].points[1].x = INFINITY; });
    broken("above 0", [](auto& p) { p.curves[0].points[1].x = 0.0; });
    broken("does not hold it", [](auto& p) { p.curves[0].points[1].low = 0.9; });
    broken("does not hold it", [](auto& p) { p.curves[0].points[1].low = kNan; });
    broken("a level has one point (got 0)", [](auto& p) { p.curves[1].points.clear(); });
    clip::ConfusionPlot plot = table(3);
    plot.counts.pop_back();
    check_fails(ErrorCode::invalid_argument, "got 8 counts, want 3 x 3",
                [&] { clip::write_confusion_plot(folder / "plot.svg", plot); });
    CHECK(read_file(folder / "plot.svg") == before);
    for (const char* path : {"plot.jpg", "plot", "", ".svg", "folder/.png", "png"})
        check_fails(ErrorCode::invalid_argument, ".png nor .svg",
                    [&] { clip::check_plot_path(path); });
    clip::check_plot_path("a.svg");
    clip::check_plot_path("a.SVG");
    clip::check_plot_path("a.png");
    check_fails(ErrorCode::not_found, "no such file",
                [&] { clip::write_curve_plot(folder / "no/plot.svg", curves()); });
    CHECK(folder.names() == std::vector<std::string>{"plot.svg"});
}

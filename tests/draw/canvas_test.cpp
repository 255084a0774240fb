// SPDX-License-Identifier: MIT
#include <array>
#include <cmath>
#include <string>

#include <doctest/doctest.h>

#include "draw/axis.hpp"
#include "draw/canvas.hpp"
#include "draw/markup.hpp"
#include "draw/raster_canvas.hpp"
#include "draw/svg_canvas.hpp"
#include "markup_reader.hpp"

namespace {

using clip::Colour;
using clip::Shorten;

/// The mean of one channel over a whole canvas.
double mean_of(const clip::RasterCanvas& canvas, std::size_t channel) {
    double sum = 0.0;
    for (std::size_t i = channel; i < canvas.pixels().size(); i += 3)
        sum += canvas.pixels()[i];
    return sum / (canvas.width() * canvas.height());
}

/// How many pixels a black shape covers on white, fractions counted.
double black_area(const clip::RasterCanvas& canvas) {
    return (1.0 - mean_of(canvas, 0) / 255.0) * canvas.width() * canvas.height();
}

clip::RasterCanvas blank(int width, int height, int scale = 1) {
    clip::RasterCanvas canvas(scale);
    canvas.start(width, height, "");
    return canvas;
}

std::vector<std::string> labels_of(const clip::Axis& axis) {
    return axis.labels;
}

} // namespace

TEST_CASE("raster canvas: shapes cover their area, on fractions of pixels too") {
    auto canvas = blank(40, 40);
    canvas.rectangle({3.25, 4.5, 10.5, 20.25}, Colour{});
    CHECK(black_area(canvas) == doctest::Approx(10.5 * 20.25).epsilon(0.01));
    canvas = blank(40, 40);
    canvas.circle({20.3, 19.6}, 12.0, Colour{});
    CHECK(black_area(canvas) == doctest::Approx(M_PI * 144.0).epsilon(0.01));
    canvas = blank(40, 40);
    canvas.line({5.0, 5.0}, {35.0, 25.0}, {Colour{}, 3.0, false});
    const double length = std::hypot(30.0, 20.0); // with round ends
    CHECK(black_area(canvas) == doctest::Approx(3.0 * length + M_PI * 2.25).epsilon(0.03));
    canvas = blank(40, 40, 2);
    canvas.rectangle({1.0, 1.0, 5.0, 5.0}, Colour{});
    CHECK(black_area(canvas) == doctest::Approx(100.0));
}

TEST_CASE("raster canvas: a line that doubles back is tinted once") {
    auto canvas = blank(20, 20);
    const std::array<clip::Point, 3> points{{{2.0, 10.3}, {18.0, 10.3}, {2.0, 10.3}}};
    canvas.polyline(points, {Colour{}, 1.0, false});
    auto once = blank(20, 20);
    once.line({2.0, 10.3}, {18.0, 10.3}, {Colour{}, 1.0, false});
    CHECK(canvas.pixels() == once.pixels());
}

TEST_CASE("raster canvas: dashes cover four sevenths of a line") {
    auto canvas = blank(700, 20);
    canvas.line({0.0, 10.0}, {700.0, 10.0}, {Colour{}, 2.0, true});
    // Ends are round, so that dashes are a little longer than they say.
    CHECK(black_area(canvas) > 0.55 * 1400.0);
    CHECK(black_area(canvas) < 0.80 * 1400.0);
}

TEST_CASE("raster canvas: what lies outside is left out") {
    auto canvas = blank(10, 10);
    canvas.rectangle({-1e12, -50.0, 1e12, 20.0}, Colour{});
    canvas.circle({-100.0, 5.0}, 20.0, Colour{});
    canvas.line({-1e6, 20.0}, {1e6, 20.0}, {Colour{}, 2.0, false});
    canvas.text({-500.0, 5.0}, "far away", {});
    canvas.text({5.0, 500.0}, "far away", {});
    CHECK(mean_of(canvas, 1) == 255.0);
}

TEST_CASE("raster canvas: text is where it was asked for, as wide as was said") {
    clip::TextStyle style;
    style.size = 20.0;
    style.align = clip::Align::centre;
    auto canvas = blank(200, 60);
    canvas.text({100.0, 40.0}, "Hamburg", style);
    int left = 200, right = 0, top = 60, bottom = 0;
    for (int y = 0; y < 60; ++y)
        for (int x = 0; x < 200; ++x)
            if (canvas.pixels()[static_cast<std::size_t>(y * 200 + x) * 3] < 128) {
                left = std::min(left, x);
                right = std::max(right, x);
                top = std::min(top, y);
                bottom = std::max(bottom, y);
            }
    const double width = canvas.text_width("Hamburg", style);
    CHECK(right - left == doctest::Approx(width).epsilon(0.1));
    CHECK((right + left) / 2.0 == doctest::Approx(100.0).epsilon(0.03));
    CHECK(40 - top == doctest::Approx(0.72 * 20.0).epsilon(0.15)); // capitals
    CHECK(bottom > 40);                                            // the g
    CHECK(bottom < 48);

    // Turned upwards it is the same letters, seen from the side.
    style.upwards = true;
    auto turned = blank(60, 200);
    turned.text({40.0, 100.0}, "Hamburg", style);
    int different = 0;
    for (int y = 0; y < 60; ++y)
        for (int x = 0; x < 200; ++x)
            different += canvas.pixels()[static_cast<std::size_t>(y * 200 + x) * 3] !=
                         turned.pixels()[static_cast<std::size_t>((199 - x) * 60 + y) * 3];
    CHECK(different == 0);
}

TEST_CASE("raster canvas: letters lose accents, what is not Latin is a question mark") {
    const clip::RasterCanvas canvas(1);
    const auto same = [&](const char* a, const char* b) {
        auto first = blank(200, 30), second = blank(200, 30);
        first.text({2.0, 20.0}, a, {});
        second.text({2.0, 20.0}, b, {});
        return first.pixels() == second.pixels();
    };
    CHECK(same("\xc3\xa9\xc3\x84\xc3\xb1\xc3\xa7", "eAnc"));
    CHECK(same("e\xcc\x81", "e")); // an accent of its own
    CHECK(same("Stra\xc3\x9f"
               "e \xc5\x81\xc3\xb3"
               "d\xc5\xba \xe2\x80\x9cx\xe2\x80\x9d",
               "Strasse Lodz \"x\""));
    CHECK(same("\xe2\x80\xa6", "..."));
    CHECK(same("\xe7\x8c\xab", "?"));
    CHECK(same("a\xff\xfe", "a??"));
    CHECK(same("\xe2\x80\x8b\xef\xb8\x8f", "")); // shows nothing
    CHECK_FALSE(same("a", "b"));
}

TEST_CASE("canvas: shortening keeps what fits, and whole characters") {
    const clip::SvgCanvas canvas;
    const clip::TextStyle style;
    const std::string text = "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4 end.jpg";
    CHECK(clip::shorten(canvas, text, style, 1e4, Shorten::middle) == text);
    for (double width = 0.0; width < 120.0; width += 3.0)
        for (const Shorten where : {Shorten::middle, Shorten::end}) {
            const std::string out = clip::shorten(canvas, text, style, width, where);
            CAPTURE(out);
            CHECK(clip::printable(out).find(0xfffd) == std::u32string::npos);
            if (out != "\xe2\x80\xa6")
                CHECK(canvas.text_width(out, style) <= width);
            if (out != text)
                CHECK(out.find("\xe2\x80\xa6") != std::string::npos);
        }
    const std::string middle = clip::shorten(canvas, text, style, 75.0, Shorten::middle);
    CHECK(middle.starts_with("\xc3\xa4"));
    CHECK(middle.ends_with("jpg"));
    CHECK(clip::shorten(canvas, "", style, 10.0, Shorten::end).empty());
}

TEST_CASE("canvas: wrapping loses no word, and breaks one that is too long") {
    const clip::SvgCanvas canvas;
    const clip::TextStyle style;
    const auto joined = [](const std::vector<std::string>& lines) {
        std::string out;
        for (const std::string& line : lines)
            out += (out.empty() ? "" : " ") + line;
        return out;
    };
    const std::string text = "the quick brown fox jumps over the lazy dog";
    const auto lines = clip::wrap(canvas, text, style, 90.0, 100);
    CHECK(lines.size() > 2);
    CHECK(joined(lines) == text);
    for (const std::string& line : lines)
        CHECK(canvas.text_width(line, style) <= 90.0);
    const auto cut = clip::wrap(canvas, text, style, 90.0, 2);
    REQUIRE(cut.size() == 2);
    CHECK(cut[0] == lines[0]);
    CHECK(cut[1].ends_with("\xe2\x80\xa6"));
    CHECK(clip::wrap(canvas, std::string(100, 'x'), style, 50.0, 100).size() > 10);
    CHECK(clip::wrap(canvas, " \n \t ", style, 50.0, 3).empty());
    CHECK(clip::wrap(canvas, "wide", style, 0.0, 10).size() == 4);
}

TEST_CASE("svg canvas: any bytes give well-formed XML") {
    clip::SvgCanvas canvas;
    std::string hostile = "</text><script>&\"'\xff\xc3";
    for (int c = 0; c < 32; ++c)
        hostile += static_cast<char>(c);
    hostile += "\xef\xbf\xbf\x7f\xc2\x85 end";
    canvas.start(100, 50, hostile);
    canvas.text({1.0, 2.0}, hostile, {});
    canvas.rectangle({0.5, 1.0 / 3.0, 1e-9, 20.0}, Colour{1, 2, 3}, hostile);
    const std::string out = std::move(canvas).finish();
    const auto elements = MarkupReader::read(out, false);
    CHECK(named(elements, "script").empty());
    REQUIRE(named(elements, "text").size() == 1);
    CHECK(
        named(elements, "text")[0].text.starts_with("</text><script>&\"'\xef\xbf\xbd\xef\xbf\xbd"));
    for (const char c : out)
        CHECK((static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t'));
    const auto rects = named(elements, "rect");
    REQUIRE(rects.size() == 2);
    CHECK(rects[1].attributes.at("y") == "0.33");
    CHECK(rects[1].attributes.at("width") == "0");
    CHECK(rects[1].attributes.at("fill") == "#010203");
}

TEST_CASE("svg canvas: a picture is the PNG of its pixels") {
    clip::SvgCanvas canvas;
    canvas.start(10, 10, "");
    const std::uint8_t pixels[] = {255, 0, 0, 0, 255, 0};
    canvas.picture({0.0, 0.0, 10.0, 5.0}, {2, 1, pixels});
    const auto images = named(MarkupReader::read(std::move(canvas).finish(), false), "image");
    REQUIRE(images.size() == 1);
    CHECK(images[0].attributes.at("xlink:href").starts_with("data:image/png;base64,iVBORw0KGgo"));
}

TEST_CASE("markup: base64 of RFC 4648's examples") {
    const std::string text = "foobar";
    const char* expected[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (std::size_t n = 0; n <= 6; ++n)
        CHECK(clip::to_base64({reinterpret_cast<const std::uint8_t*>(text.data()), n}) ==
              expected[n]);
}

TEST_CASE("markup: a path becomes a URL that is neither a scheme nor a query") {
    CHECK(clip::escape_url_path("a/b c.jpg") == "a/b%20c.jpg");
    CHECK(clip::escape_url_path("javascript:alert(1)") == "javascript%3Aalert%281%29");
    CHECK(clip::escape_url_path("x?y#z%\\&") == "x%3Fy%23z%25%5C%26");
    CHECK(clip::escape_url_path("caf\xe9\xff\n") == "caf%E9%FF%0A");
}

TEST_CASE("axis: ticks are round numbers inside the ends") {
    CHECK(labels_of(clip::linear_axis(0.0, 1.0, 5)) ==
          std::vector<std::string>{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"});
    CHECK(labels_of(clip::linear_axis(23.0, 87.0, 6)) ==
          std::vector<std::string>{"40", "60", "80"});
    CHECK(labels_of(clip::linear_axis(-0.02, 0.03, 5)) ==
          std::vector<std::string>{"-0.02", "-0.01", "0.00", "0.01", "0.02", "0.03"});
    CHECK(labels_of(clip::log2_axis(1.0, 16.0, 12)) ==
          std::vector<std::string>{"1", "2", "4", "8", "16"});
    CHECK(labels_of(clip::log2_axis(0.3, 1.0, 12)) == std::vector<std::string>{"0.5", "1"});
    CHECK(clip::log2_axis(1.0, 1e9, 8).ticks.size() <= 8);
    for (const auto& [low, high] : {std::pair{5.0, 5.0},
                                    {0.0, 0.0},
                                    {-1e300, 1e300},
                                    {1e-300, 2e-300},
                                    {1e15, 1e15 + 1.0},
                                    {1e8, 2e8}}) {
        const clip::Axis axis = clip::linear_axis(low, high, 6);
        CAPTURE(low);
        CHECK(axis.low <= low);
        CHECK(axis.high >= high);
        CHECK(axis.low < axis.high);
        CHECK(axis.ticks.size() >= 1);
        CHECK(axis.ticks.size() < 20);
        for (const double tick : axis.ticks)
            CHECK((axis.share(tick) >= 0.0 && axis.share(tick) <= 1.0));
    }
}

TEST_CASE("axis: counts are short where they must be") {
    CHECK(clip::format_count(0) == "0");
    CHECK(clip::format_count(1234567) == "1,234,567");
    CHECK(clip::format_short_count(9999) == "9999");
    CHECK(clip::format_short_count(12345) == "12k");
    CHECK(clip::format_short_count(999499) == "999k");
    CHECK(clip::format_short_count(999500) == "1.0M");
    CHECK(clip::format_short_count(~std::uint64_t{0}) == "18E");
    CHECK(clip::format_fixed(-0.004, 2) == "0.00");
}

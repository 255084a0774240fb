// SPDX-License-Identifier: MIT
#include "draw/svg_canvas.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "data/png_writer.hpp"
#include "data/unicode.hpp"
#include "draw/markup.hpp"

namespace clip {

namespace {

std::string hex(Colour colour) {
    constexpr char kHex[] = "0123456789abcdef";
    std::string out = "#";
    for (const std::uint8_t value : {colour.red, colour.green, colour.blue}) {
        out += kHex[value >> 4];
        out += kHex[value & 15];
    }
    return out;
}

/// ` name="12.5"`
std::string attribute(std::string_view name, double value) {
    return concat(' ', name, "=\"", format_coordinate(value), '"');
}

/// A character's advance in thousandths of the size. The common sans-serif faces differ by a
/// quarter; these are about those of the wide ones.
int advance(char32_t code) {
    if (code >= 0x1100 &&
        (code < 0x1200 || (code >= 0x2e80 && code < 0xa4d0) || (code >= 0xac00 && code < 0xd7a4) ||
         (code >= 0xf900 && code < 0xfb00) || (code >= 0xfe30 && code < 0xfe70) ||
         (code >= 0xff00 && code < 0xff61) || code >= 0x1f000))
        return 1000; // East Asian and emoji: a square each
    if ((code >= 0x300 && code < 0x370) || code == 0x200d || (code >= 0xfe00 && code < 0xfe10))
        return 0; // marks, joiners, variation selectors
    if (code >= 'A' && code <= 'Z')
        return code == 'I' || code == 'J' ? 300 : code == 'M' || code == 'W' ? 940 : 700;
    if (code >= '0' && code <= '9')
        return 636;
    switch (code) {
    case 'i':
    case 'j':
    case 'l':
    case '\'':
    case '|':
        return 300;
    case ' ':
    case '.':
    case ',':
    case ':':
    case ';':
    case '/':
    case '\\':
    case '!':
    case 'f':
    case 't':
    case '-':
    case '(':
    case ')':
    case '[':
    case ']':
        return 390;
    case 'r':
        return 420;
    case 'm':
    case '%':
    case '@':
    case 0x2026:
        return 980;
    case 'w':
    case '+':
    case '=':
    case '<':
    case '>':
        return 830;
    default:
        return code < 0x80 ? 630 : 700;
    }
}

/// How often a pixel is repeated in the file. Not every viewer knows image-rendering; most would
/// blur a picture that is not about as fine as the screen.
int repetitions(double size, int pixels) {
    constexpr double kFineness = 2.0; // pixels of the file on one of the coordinates
    return std::clamp(static_cast<int>(std::lround(kFineness * size / pixels)), 1, 64);
}

} // namespace

double SvgCanvas::text_width(std::string_view text, const TextStyle& style) const {
    std::int64_t thousandths = 0;
    for (const char32_t code : printable(text))
        thousandths += advance(code);
    return static_cast<double>(thousandths) * style.size * (style.bold ? 1.1 : 1.0) / 1000.0;
}

void SvgCanvas::start(int width, int height, std::string_view title) {
    expect(out_.empty(), "an SVG canvas is started once");
    out_ = concat("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" "
                  "xmlns:xlink=\"http://www.w3.org/1999/xlink\" version=\"1.1\" width=\"",
                  width, "\" height=\"", height, "\" viewBox=\"0 0 ", width, ' ', height,
                  "\" font-family=\"Helvetica,Arial,'DejaVu Sans',sans-serif\">\n<title>",
                  escape_markup(title), "</title>\n");
    rectangle({0.0, 0.0, static_cast<double>(width), static_cast<double>(height)}, kWhite, {});
}

void SvgCanvas::rectangle(const Box& box, Colour fill, std::string_view hint) {
    out_ +=
        concat("<rect", attribute("x", box.x), attribute("y", box.y), attribute("width", box.width),
               attribute("height", box.height), " fill=\"", hex(fill), '"');
    if (hint.empty())
        out_ += "/>\n";
    else
        out_ += concat("><title>", escape_markup(hint), "</title></rect>\n");
}

void SvgCanvas::circle(Point centre, double radius, Colour fill) {
    out_ += concat("<circle", attribute("cx", centre.x), attribute("cy", centre.y),
                   attribute("r", radius), " fill=\"", hex(fill), "\"/>\n");
}

void SvgCanvas::polyline(std::span<const Point> points, const Stroke& stroke) {
    out_ += "<polyline points=\"";
    for (std::size_t i = 0; i < points.size(); ++i)
        out_ += concat(i == 0 ? "" : " ", format_coordinate(points[i].x), ',',
                       format_coordinate(points[i].y));
    out_ += concat("\" fill=\"none\" stroke=\"", hex(stroke.colour), '"',
                   attribute("stroke-width", stroke.width));
    if (stroke.dashed)
        out_ += concat(" stroke-dasharray=\"", format_coordinate(kDash * stroke.width), ' ',
                       format_coordinate(kGap * stroke.width), '"');
    else if (points.size() > 2)
        out_ += " stroke-linejoin=\"round\" stroke-linecap=\"round\"";
    out_ += "/>\n";
}

void SvgCanvas::text(Point at, std::string_view text, const TextStyle& style) {
    out_ += concat("<text", attribute("x", at.x), attribute("y", at.y),
                   attribute("font-size", style.size), " fill=\"", hex(style.colour), '"');
    if (style.bold)
        out_ += " font-weight=\"bold\"";
    if (style.align != Align::left)
        out_ += style.align == Align::centre ? " text-anchor=\"middle\"" : " text-anchor=\"end\"";
    if (style.upwards)
        out_ += concat(" transform=\"rotate(-90 ", format_coordinate(at.x), ' ',
                       format_coordinate(at.y), ")\"");
    out_ += concat('>', escape_markup(encode_utf8(printable(text))), "</text>\n");
}

void SvgCanvas::picture(const Box& box, const PictureView& picture) {
    const int across = repetitions(box.width, picture.width);
    const int down = repetitions(box.height, picture.height);
    std::vector<std::uint8_t> png;
    PngWriter writer(picture.width * across, picture.height * down, PngPixels::rgb,
                     [&png](std::span<const std::uint8_t> bytes) {
                         png.insert(png.end(), bytes.begin(), bytes.end());
                     });
    std::vector<std::uint8_t> row(static_cast<std::size_t>(picture.width * across) * 3);
    for (int y = 0; y < picture.height * down; ++y) {
        const std::uint8_t* from = picture.pixels + static_cast<std::size_t>(y / down) *
                                                        static_cast<std::size_t>(picture.width) * 3;
        for (int x = 0; x < picture.width * across; ++x)
            std::memcpy(row.data() + 3 * static_cast<std::size_t>(x),
                        from + 3 * static_cast<std::size_t>(x / across), 3);
        writer.write_rows(row.data(), 1);
    }
    writer.finish();
    out_ += concat("<image", attribute("x", box.x), attribute("y", box.y),
                   attribute("width", box.width), attribute("height", box.height),
                   " preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" "
                   "xlink:href=\"data:image/png;base64,",
                   to_base64(png), "\"/>\n");
}

std::string SvgCanvas::finish() && {
    return std::move(out_) + "</svg>\n";
}

} // namespace clip

// SPDX-License-Identifier: MIT
#include "draw/raster_canvas.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "base/error.hpp"
#include "data/text_mask.hpp"

namespace clip {

namespace {

/// How much of the pixel [at, at + 1) lies in [from, to).
double overlap(int at, double from, double to) {
    return std::clamp(std::min(to, at + 1.0) - std::max(from, static_cast<double>(at)), 0.0, 1.0);
}

double distance_to_segment(Point p, Point a, Point b) {
    const double dx = b.x - a.x, dy = b.y - a.y;
    const double length = dx * dx + dy * dy;
    const double along =
        length > 0.0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length, 0.0, 1.0) : 0.0;
    return std::hypot(p.x - a.x - along * dx, p.y - a.y - along * dy);
}

struct Segment {
    Point from, to;
};

/// The segments of a line, cut into dashes of `dash` and gaps of `gap` pixels where dash > 0.
std::vector<Segment> segments_of(std::span<const Point> points, double dash, double gap) {
    std::vector<Segment> segments;
    double position = 0.0; // in the pattern
    for (std::size_t i = 0; i + 1 < points.size(); ++i) {
        const Point a = points[i], b = points[i + 1];
        const double length = std::hypot(b.x - a.x, b.y - a.y);
        if (dash <= 0.0 || length <= 0.0) {
            segments.push_back({a, b});
            continue;
        }
        const auto point_at = [&](double along) {
            return Point{a.x + (b.x - a.x) * along / length, a.y + (b.y - a.y) * along / length};
        };
        for (double along = 0.0; along < length;) {
            const bool drawn = position < dash;
            const double step =
                std::min(drawn ? dash - position : dash + gap - position, length - along);
            if (drawn)
                segments.push_back({point_at(along), point_at(along + step)});
            along += step;
            position += step;
            if (position >= dash + gap - 1e-9)
                position = 0.0;
        }
    }
    return segments;
}

RasterFont font_of(const TextStyle& style, int scale) {
    return {style.size * scale, style.bold};
}

} // namespace

double RasterCanvas::text_width(std::string_view text, const TextStyle& style) const {
    return measure_text(fold_to_ascii(printable(text)), font_of(style, scale_)) / scale_;
}

void RasterCanvas::start(int width, int height, std::string_view) {
    expect(pixels_.empty() && width > 0 && height > 0, "a raster canvas is started once");
    width_ = width * scale_;
    height_ = height * scale_;
    try {
        pixels_.assign(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_) * 3,
                       255);
    } catch (const std::bad_alloc&) {
        fail(ErrorCode::out_of_memory, "draw picture: no memory for its pixels");
    }
}

RasterCanvas::Region RasterCanvas::clip_region(double x0, double y0, double x1, double y1) const {
    const auto low = [](double at, int size) {
        return static_cast<int>(std::clamp(std::floor(at), 0.0, static_cast<double>(size)));
    };
    const auto high = [](double at, int size) {
        return static_cast<int>(std::clamp(std::ceil(at), 0.0, static_cast<double>(size)));
    };
    return {low(x0, width_), low(y0, height_), high(x1, width_), high(y1, height_)};
}

void RasterCanvas::blend(int x, int y, Colour colour, double coverage) {
    if (coverage <= 0.0)
        return;
    std::uint8_t* pixel =
        pixels_.data() + (static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) +
                          static_cast<std::size_t>(x)) *
                             3;
    const Colour mixed = mix({pixel[0], pixel[1], pixel[2]}, colour, coverage);
    pixel[0] = mixed.red;
    pixel[1] = mixed.green;
    pixel[2] = mixed.blue;
}

void RasterCanvas::rectangle(const Box& box, Colour fill, std::string_view) {
    const double x0 = box.x * scale_, y0 = box.y * scale_;
    const double x1 = x0 + box.width * scale_, y1 = y0 + box.height * scale_;
    const Region region = clip_region(x0, y0, x1, y1);
    for (int y = region.y0; y < region.y1; ++y) {
        const double down = overlap(y, y0, y1);
        for (int x = region.x0; x < region.x1; ++x)
            blend(x, y, fill, down * overlap(x, x0, x1));
    }
}

void RasterCanvas::circle(Point centre, double radius, Colour fill) {
    const Point middle{centre.x * scale_, centre.y * scale_};
    const double r = radius * scale_;
    const Region region =
        clip_region(middle.x - r - 1, middle.y - r - 1, middle.x + r + 1, middle.y + r + 1);
    for (int y = region.y0; y < region.y1; ++y)
        for (int x = region.x0; x < region.x1; ++x) {
            const double distance = std::hypot(x + 0.5 - middle.x, y + 0.5 - middle.y);
            blend(x, y, fill, std::clamp(r + 0.5 - distance, 0.0, 1.0));
        }
}

void RasterCanvas::polyline(std::span<const Point> points, const Stroke& stroke) {
    std::vector<Point> scaled(points.begin(), points.end());
    for (Point& point : scaled)
        point = {point.x * scale_, point.y * scale_};
    if (scaled.empty())
        return;
    const double width = stroke.width * scale_;
    const double half = width / 2.0;
    const auto [left, right] = std::minmax_element(scaled.begin(), scaled.end(),
                                                   [](Point a, Point b) { return a.x < b.x; });
    const auto [top, bottom] = std::minmax_element(scaled.begin(), scaled.end(),
                                                   [](Point a, Point b) { return a.y < b.y; });
    const Region all = clip_region(left->x - half - 1, top->y - half - 1, right->x + half + 1,
                                   bottom->y + half + 1);
    if (all.x0 >= all.x1 || all.y0 >= all.y1)
        return;
    // The whole line's coverage first: where segments meet, a pixel is tinted once.
    const auto columns = static_cast<std::size_t>(all.x1 - all.x0);
    std::vector<float> coverage(columns * static_cast<std::size_t>(all.y1 - all.y0));
    const double dash = stroke.dashed ? kDash * width : 0.0;
    for (const Segment& segment : segments_of(scaled, dash, kGap * width)) {
        const auto [a, b] = segment;
        const Region near =
            clip_region(std::min(a.x, b.x) - half - 1, std::min(a.y, b.y) - half - 1,
                        std::max(a.x, b.x) + half + 1, std::max(a.y, b.y) + half + 1);
        for (int y = near.y0; y < near.y1; ++y)
            for (int x = near.x0; x < near.x1; ++x) {
                const double distance = distance_to_segment({x + 0.5, y + 0.5}, a, b);
                float& pixel = coverage[static_cast<std::size_t>(y - all.y0) * columns +
                                        static_cast<std::size_t>(x - all.x0)];
                pixel = std::max(pixel,
                                 static_cast<float>(std::clamp(half + 0.5 - distance, 0.0, 1.0)));
            }
    }
    for (int y = all.y0; y < all.y1; ++y)
        for (int x = all.x0; x < all.x1; ++x)
            blend(x, y, stroke.colour,
                  static_cast<double>(coverage[static_cast<std::size_t>(y - all.y0) * columns +
                                               static_cast<std::size_t>(x - all.x0)]));
}

void RasterCanvas::text(Point at, std::string_view text, const TextStyle& style) {
    const std::string ascii = fold_to_ascii(printable(text));
    if (ascii.empty())
        return;
    const RasterFont font = font_of(style, scale_);
    const TextMask mask = draw_text(ascii, font);
    const double shift = style.align == Align::left     ? 0.0
                         : style.align == Align::centre ? measure_text(ascii, font) / 2.0
                                                        : measure_text(ascii, font);
    const int x = static_cast<int>(std::lround(at.x * scale_ - (style.upwards ? 0.0 : shift)));
    const int y = static_cast<int>(std::lround(at.y * scale_ + (style.upwards ? shift : 0.0)));
    for (int row = 0; row < mask.height; ++row)
        for (int column = 0; column < mask.width; ++column) {
            const int along = column - mask.left, below = row - mask.baseline;
            const int to_x = x + (style.upwards ? below : along);
            const int to_y = y + (style.upwards ? -1 - along : below);
            if (to_x < 0 || to_y < 0 || to_x >= width_ || to_y >= height_)
                continue;
            const std::uint8_t covered =
                mask.coverage[static_cast<std::size_t>(row) * static_cast<std::size_t>(mask.width) +
                              static_cast<std::size_t>(column)];
            blend(to_x, to_y, style.colour, covered / 255.0);
        }
}

void RasterCanvas::picture(const Box& box, const PictureView& picture) {
    const double x0 = box.x * scale_, y0 = box.y * scale_;
    const double across = picture.width / (box.width * scale_);
    const double down = picture.height / (box.height * scale_);
    const Region region =
        clip_region(std::round(x0), std::round(y0), std::round(x0 + box.width * scale_),
                    std::round(y0 + box.height * scale_));
    for (int y = region.y0; y < region.y1; ++y) {
        const int from_y =
            std::clamp(static_cast<int>((y + 0.5 - y0) * down), 0, picture.height - 1);
        const std::uint8_t* row = picture.pixels + static_cast<std::size_t>(from_y) *
                                                       static_cast<std::size_t>(picture.width) * 3;
        std::uint8_t* to =
            pixels_.data() + (static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) +
                              static_cast<std::size_t>(region.x0)) *
                                 3;
        for (int x = region.x0; x < region.x1; ++x, to += 3) {
            const int from_x =
                std::clamp(static_cast<int>((x + 0.5 - x0) * across), 0, picture.width - 1);
            std::memcpy(to, row + static_cast<std::size_t>(from_x) * 3, 3);
        }
    }
}

} // namespace clip

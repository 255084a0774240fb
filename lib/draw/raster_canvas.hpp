// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "draw/canvas.hpp"

namespace clip {

/// A canvas that becomes RGB pixels, antialiased. Text is ASCII, drawn by the OpenCV plugin: Latin
/// letters lose their accents, and every other script is shown as `?` (data/text_mask.hpp).
///
/// Errors of text_width and text: unsupported (the plugin is not there).
class RasterCanvas final : public Canvas {
  public:
    /// Each pixel of the coordinates becomes `scale` x `scale` of the picture.
    explicit RasterCanvas(int scale) : scale_(scale) {}

    double text_width(std::string_view text, const TextStyle& style) const override;
    void start(int width, int height, std::string_view title) override;
    using Canvas::rectangle;
    void rectangle(const Box& box, Colour fill, std::string_view hint) override;
    void circle(Point centre, double radius, Colour fill) override;
    void polyline(std::span<const Point> points, const Stroke& stroke) override;
    void text(Point at, std::string_view text, const TextStyle& style) override;
    void picture(const Box& box, const PictureView& picture) override;

    int width() const { return width_; }
    int height() const { return height_; }
    /// (height, width, 3)
    const std::vector<std::uint8_t>& pixels() const { return pixels_; }

  private:
    /// Pixels [x0, x1) x [y0, y1) of the picture that a shape may touch.
    struct Region {
        int x0, y0, x1, y1;
    };
    Region clip_region(double x0, double y0, double x1, double y1) const;
    void blend(int x, int y, Colour colour, double coverage);

    int scale_;
    int width_ = 0, height_ = 0;
    std::vector<std::uint8_t> pixels_;
};

} // namespace clip

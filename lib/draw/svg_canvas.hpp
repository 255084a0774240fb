// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "draw/canvas.hpp"

namespace clip {

/// A canvas that becomes SVG 1.1 text. Text stays text, in UTF-8, and shows every script that the
/// reader's fonts have. Its width is an estimate on the wide side, since nobody knows the font.
class SvgCanvas final : public Canvas {
  public:
    double text_width(std::string_view text, const TextStyle& style) const override;
    void start(int width, int height, std::string_view title) override;
    using Canvas::rectangle;
    void rectangle(const Box& box, Colour fill, std::string_view hint) override;
    void circle(Point centre, double radius, Colour fill) override;
    void polyline(std::span<const Point> points, const Stroke& stroke) override;
    void text(Point at, std::string_view text, const TextStyle& style) override;
    void picture(const Box& box, const PictureView& picture) override;

    /// The file's bytes.
    std::string finish() &&;

  private:
    std::string out_;
};

} // namespace clip

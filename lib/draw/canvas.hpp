// SPDX-License-Identifier: MIT
// A surface for a few shapes and texts: what a picture of results is drawn on, whatever its format.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clip {

struct Colour {
    std::uint8_t red = 0, green = 0, blue = 0;
    bool operator==(const Colour&) const = default;
};

inline constexpr Colour kWhite{255, 255, 255};
inline constexpr Colour kInk{32, 33, 36};    ///< text
inline constexpr Colour kFaint{95, 99, 104}; ///< text that says less

/// `share` of `to` and the rest of `from`; share in [0, 1].
Colour mix(Colour from, Colour to, double share);
/// Whether white text reads better on it than black text does.
bool is_dark(Colour colour);

struct Point {
    double x = 0.0, y = 0.0;
};

struct Box {
    double x = 0.0, y = 0.0, width = 0.0, height = 0.0;
};

enum class Align : std::uint8_t { left, centre, right };

struct TextStyle {
    double size = 12.0; ///< of the letters' body; capitals are about 0.72 of it
    Colour colour = kInk;
    Align align = Align::left;
    bool upwards = false; ///< turned by 90 degrees: it reads from below
    bool bold = false;
};

/// Dashes and the gaps between them, in widths of the line.
inline constexpr double kDash = 4.0, kGap = 3.0;

struct Stroke {
    Colour colour;
    double width = 1.0;
    bool dashed = false;
};

/// RGB of 8 bits, (height, width, 3).
struct PictureView {
    int width = 0, height = 0;
    const std::uint8_t* pixels = nullptr;
};

/// Coordinates are pixels of the picture as it is meant to be seen, from its upper left corner; an
/// implementation may draw more finely. Texts are UTF-8; broken bytes and control characters are
/// drawn as something visible. Texts can be measured before start(); everything else comes after.
class Canvas {
  public:
    virtual ~Canvas() = default;

    /// How long a text is, in pixels.
    virtual double text_width(std::string_view text, const TextStyle& style) const = 0;

    /// Makes a white picture, once. `title` is for programs that read pictures aloud.
    /// Errors: out_of_memory.
    virtual void start(int width, int height, std::string_view title) = 0;

    /// `hint` is shown by formats that can when the pointer rests on the rectangle.
    virtual void rectangle(const Box& box, Colour fill, std::string_view hint) = 0;
    void rectangle(const Box& box, Colour fill) { rectangle(box, fill, {}); }
    virtual void circle(Point centre, double radius, Colour fill) = 0;
    virtual void polyline(std::span<const Point> points, const Stroke& stroke) = 0;
    void line(Point from, Point to, const Stroke& stroke);
    /// `at` is on the baseline, at the text's beginning, middle or end.
    virtual void text(Point at, std::string_view text, const TextStyle& style) = 0;
    /// The picture fills the box; its pixels stay squares with sharp edges.
    virtual void picture(const Box& box, const PictureView& picture) = 0;
};

/// What a canvas makes of a text before it draws it: code points, with U+FFFD for broken bytes, a
/// space for tab and line break, and U+FFFD for other control characters.
std::u32string printable(std::string_view text);

enum class Shorten : std::uint8_t { middle, end };

/// The text, or as much of it as fits into `width` pixels with an ellipsis in its middle or at its
/// end. At least the ellipsis is left.
std::string shorten(const Canvas& canvas, std::string_view text, const TextStyle& style,
                    double width, Shorten where);

/// The text in at most `max_lines` lines (at least 1) of `width` pixels, broken at spaces where
/// possible; the last one ends with an ellipsis where there is more.
std::vector<std::string> wrap(const Canvas& canvas, std::string_view text, const TextStyle& style,
                              double width, int max_lines);

} // namespace clip

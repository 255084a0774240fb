// SPDX-License-Identifier: MIT
#include "train/augment_layer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "data/pixel_rgb.hpp"
#include "data/resize.hpp"

namespace clip::train {

namespace {

/// A turned picture is first resized to so many times the result's resolution: bilinear samples of
/// that are sharp, and what they alias is little.
constexpr double kOversample = 1.5;

/// value / 255 for each byte.
constexpr std::array<float, 256> kUnits = [] {
    std::array<float, 256> units{};
    for (std::size_t i = 0; i < units.size(); ++i)
        units[i] = static_cast<float>(i) / 255.0F;
    return units;
}();

using Colours = std::array<std::array<std::uint8_t, 4>, 256>;

template <std::size_t Size>
void look_up(const PixelBuffer& indices, const Colours& colours, PixelBuffer& out) {
    std::uint8_t* to = out.data();
    for (std::size_t i = 0; i < indices.size(); ++i, to += Size)
        std::memcpy(to, colours[indices.data()[i]].data(), Size);
}

Image expand_palette(const Image& image) {
    const bool alpha = !image.palette_alpha.empty();
    Image out = make_image(image.width, image.height, alpha ? PixelMode::rgba : PixelMode::rgb,
                           image.format);
    out.orientation = image.orientation;
    Colours colours{};
    for (std::size_t i = 0; i < colours.size(); ++i) {
        std::memcpy(colours[i].data(), image.palette[i].data(), 3);
        colours[i][3] = i < image.palette_alpha.size() ? image.palette_alpha[i] : 255;
    }
    if (alpha)
        look_up<4>(image.pixels, colours, out.pixels);
    else
        look_up<3>(image.pixels, colours, out.pixels);
    return out;
}

Image narrow_grey(const Image& image, bool scale) {
    Image out = upper_bytes(image);
    if (scale)
        return out;
    for (std::size_t i = 0; i < out.pixels.size(); ++i) {
        std::uint16_t sample = 0;
        std::memcpy(&sample, image.pixels.data() + 2 * i, 2);
        out.pixels.data()[i] = static_cast<std::uint8_t>(std::min<int>(sample, 255));
    }
    return out;
}

bool any_transparent(const Image& image) {
    const std::size_t size = pixel_size(image.mode);
    for (std::size_t i = size - 1; i < image.pixels.size(); i += size)
        if (image.pixels.data()[i] != 255)
            return true;
    return false;
}

/// Pixels of a resized picture, as draw_layer gives them.
void to_float(const SmoothPicture& picture, const std::uint8_t* pixel, float* out) {
    const PixelMode mode = picture.image().mode;
    std::uint8_t rgb[3];
    ToRgb(picture.image())(rgb, pixel);
    const float alpha = picture.has_alpha() ? kUnits[pixel[pixel_size(mode) - 1]] : 1.0F;
    for (int c = 0; c < 3; ++c)
        out[c] = kUnits[rgb[c]] * alpha;
    out[3] = alpha;
}

/// The part of one axis of a resized picture that is wanted, and where it begins in what is drawn.
struct Span {
    std::int64_t out = 1; ///< the whole side after the resize
    std::int64_t begin = 0;
    int count = 0;
    int at = 0;
};

/// Outputs [begin, begin + n) of a side of `out`, as far as there are any.
Span clipped(std::int64_t out, std::int64_t begin, std::int64_t n) {
    const std::int64_t first = std::clamp<std::int64_t>(begin, 0, out);
    const std::int64_t end = std::clamp<std::int64_t>(begin + n, first, out);
    return {out, first, static_cast<int>(end - first), static_cast<int>(first - begin)};
}

std::int64_t scaled_side(int side, double scale) {
    return std::max<std::int64_t>(std::llround(side * scale), 1);
}

std::vector<std::uint8_t> resize_part(const SmoothPicture& picture, OrientedRows& rows,
                                      const Span& x, const Span& y) {
    return resize_bytes(
        rows, static_cast<int>(pixel_size(picture.image().mode)), picture.has_alpha(),
        {{rows.width(), x.out, x.begin, x.count}, {rows.height(), y.out, y.begin, y.count}});
}

/// One axis of an upright canvas: the resize puts its pixels where they belong.
Span upright_span(int side, double begin, double length, int n, bool inside) {
    const std::int64_t out = scaled_side(side, n / length);
    std::int64_t first = std::llround(begin * static_cast<double>(out) / side);
    if (inside) // rounding must not open a gap at the edge
        first = std::clamp<std::int64_t>(first, 0, out - n);
    return clipped(out, first, n);
}

std::vector<float> draw_upright(const SmoothPicture& picture, OrientedRows& rows,
                                const AugmentPlan& plan, int n) {
    const auto side = static_cast<std::size_t>(n);
    std::vector<float> out(side * side * 4);
    const bool inside = plan.canvas.width == plan.crop.width;
    const Span x = upright_span(rows.width(), plan.canvas.x, plan.canvas.width, n, inside);
    const Span y = upright_span(rows.height(), plan.canvas.y, plan.canvas.height, n, inside);
    if (x.count == 0 || y.count == 0)
        return out;
    const std::vector<std::uint8_t> pixels = resize_part(picture, rows, x, y);
    const std::uint8_t* pixel = pixels.data();
    for (int row = 0; row < y.count; ++row)
        for (int column = 0; column < x.count; ++column) {
            const int to = plan.flip ? n - 1 - (x.at + column) : x.at + column;
            to_float(picture, pixel,
                     out.data() + (static_cast<std::size_t>(y.at + row) * side +
                                   static_cast<std::size_t>(to)) *
                                      4);
            pixel += pixel_size(picture.image().mode);
        }
    return out;
}

/// A resized part of a picture in float with a border of one pixel, sampled between its pixels.
class Sampler {
  public:
    /// Beyond the edges is nothing where `transparent`, else the picture mirrored.
    Sampler(const SmoothPicture& picture, const std::vector<std::uint8_t>& pixels, int width,
            int height, bool transparent)
        : width_(width), height_(height), transparent_(transparent),
          stride_((static_cast<std::size_t>(width) + 2) * 4),
          values_(stride_ * (static_cast<std::size_t>(height) + 2)) {
        const std::uint8_t* pixel = pixels.data();
        for (int y = 0; y < height; ++y)
            for (int x = 0; x < width; ++x) {
                to_float(picture, pixel, at(x, y));
                pixel += pixel_size(picture.image().mode);
            }
        if (!transparent)
            repeat_edges();
    }

    /// The colour at (x, y), the first pixel's centre being (0, 0).
    void sample(double x, double y, float* out) const {
        const double fx = inside(x, width_), fy = inside(y, height_);
        const int ix = std::min(static_cast<int>(fx + 1.0) - 1, width_ - 1); // floor, from -1 on
        const int iy = std::min(static_cast<int>(fy + 1.0) - 1, height_ - 1);
        const auto wx = static_cast<float>(fx - ix), wy = static_cast<float>(fy - iy);
        const float* up = at(ix, iy);
        const float* down = up + stride_;
        for (int c = 0; c < 4; ++c) {
            const float above = up[c] + (up[c + 4] - up[c]) * wx;
            const float below = down[c] + (down[c + 4] - down[c]) * wx;
            out[c] = above + (below - above) * wy;
        }
    }

  private:
    float* at(int x, int y) {
        return values_.data() + static_cast<std::size_t>(y + 1) * stride_ +
               static_cast<std::size_t>(x + 1) * 4;
    }
    const float* at(int x, int y) const {
        return values_.data() + static_cast<std::size_t>(y + 1) * stride_ +
               static_cast<std::size_t>(x + 1) * 4;
    }

    void repeat_edges() {
        for (int y = 0; y < height_; ++y) {
            std::memcpy(at(-1, y), at(0, y), 4 * sizeof(float));
            std::memcpy(at(width_, y), at(width_ - 1, y), 4 * sizeof(float));
        }
        std::memcpy(at(-1, -1), at(-1, 0), stride_ * sizeof(float));
        std::memcpy(at(-1, height_), at(-1, height_ - 1), stride_ * sizeof(float));
    }

    /// `position` brought to [-1, side].
    double inside(double position, int side) const {
        if (!transparent_) {
            if (position < -0.5)
                position = -1.0 - position;
            else if (position > side - 0.5)
                position = 2.0 * side - 1.0 - position;
        }
        return std::clamp(position, -1.0, static_cast<double>(side));
    }

    int width_, height_;
    bool transparent_;
    std::size_t stride_;
    std::vector<float> values_;
};

/// What of a resized side is needed for samples from `low` to `high`, in pixels before the resize.
Span sampled_span(int side, double scale, double low, double high) {
    const std::int64_t out = scaled_side(side, scale);
    const double exact = static_cast<double>(out) / side;
    const auto limit = static_cast<double>(out - 1);
    const auto first = static_cast<std::int64_t>(std::clamp(low * exact - 1.5, 0.0, limit));
    const auto last = static_cast<std::int64_t>(
        std::clamp(high * exact + 1.5, static_cast<double>(first), limit));
    return clipped(out, first, last - first + 1);
}

std::vector<float> draw_turned(const SmoothPicture& picture, OrientedRows& rows,
                               const AugmentPlan& plan, int n) {
    const Box& canvas = plan.canvas;
    const double cosine = exact_cos(plan.angle), sine = exact_sin(plan.angle);
    const double center_x = plan.crop.x + 0.5 * plan.crop.width;
    const double center_y = plan.crop.y + 0.5 * plan.crop.height;
    // A point of the canvas, as fractions of it, in the picture.
    const auto source = [&](double u, double v) {
        const double dx = canvas.x + u * canvas.width - center_x;
        const double dy = canvas.y + v * canvas.height - center_y;
        return std::array<double, 2>{center_x + cosine * dx - sine * dy,
                                     center_y + sine * dx + cosine * dy};
    };
    std::array<double, 2> low = source(0.0, 0.0), high = low;
    for (const auto& corner : {source(1.0, 0.0), source(0.0, 1.0), source(1.0, 1.0)})
        for (std::size_t i = 0; i < 2; ++i) {
            low[i] = std::min(low[i], corner[i]);
            high[i] = std::max(high[i], corner[i]);
        }
    const double scale = kOversample * n / std::max(canvas.width, canvas.height);
    const Span x = sampled_span(rows.width(), scale, low[0], high[0]);
    const Span y = sampled_span(rows.height(), scale, low[1], high[1]);
    const Sampler sampler(picture, resize_part(picture, rows, x, y), x.count, y.count,
                          picture.transparent());

    const double scale_x = static_cast<double>(x.out) / rows.width();
    const double scale_y = static_cast<double>(y.out) / rows.height();
    const auto side = static_cast<std::size_t>(n);
    std::vector<float> out(side * side * 4);
    float* to = out.data();
    for (int row = 0; row < n; ++row)
        for (int column = 0; column < n; ++column, to += 4) {
            const double u = (column + 0.5) / n;
            const auto [at_x, at_y] = source(plan.flip ? 1.0 - u : u, (row + 0.5) / n);
            sampler.sample(at_x * scale_x - static_cast<double>(x.begin) - 0.5,
                           at_y * scale_y - static_cast<double>(y.begin) - 0.5, to);
        }
    return out;
}

} // namespace

SmoothPicture::SmoothPicture(const Image& image, bool scale_grey16) : image_(&image) {
    if (image.mode == PixelMode::palette)
        changed_ = expand_palette(image);
    else if (image.mode == PixelMode::grey16)
        changed_ = narrow_grey(image, scale_grey16);
    if (changed_.width > 0)
        image_ = &changed_;
    transparent_ = has_alpha() && any_transparent(*image_);
}

std::vector<float> draw_layer(const SmoothPicture& picture, int orientation,
                              const AugmentPlan& plan, int n) {
    OrientedRows rows(picture.image(), orientation);
    return plan.angle == 0.0 ? draw_upright(picture, rows, plan, n)
                             : draw_turned(picture, rows, plan, n);
}

} // namespace clip::train

// SPDX-License-Identifier: MIT
#include "data/preprocess.hpp"

#include <algorithm>
#include <cstring>

#include "base/concat.hpp"
#include "data/pixel_rgb.hpp"
#include "data/resize.hpp"

namespace clip {

namespace {

constexpr int kMaxSize = 4096;

/// floor(n * longer / shorter), divided in double as Python does.
std::int64_t longer_side(int n, int longer, int shorter) {
    return static_cast<std::int64_t>(static_cast<double>(std::int64_t{n} * longer) /
                                     static_cast<double>(shorter));
}

/// round-half-even((side - n) / 2), for side >= n.
std::int64_t crop_begin(std::int64_t side, int n) {
    const std::int64_t twice = side - n;
    const std::int64_t half = twice / 2;
    return twice % 2 == 0 ? half : half + half % 2;
}

/// Of the side - n + 1 places of a crop the one that `place` names.
std::int64_t placed_begin(std::int64_t side, int n, std::uint32_t place) {
    const double places = static_cast<double>(side - n + 1);
    return std::min(static_cast<std::int64_t>(places * (static_cast<double>(place) * 0x1p-32)),
                    side - n);
}

ResizeWindow plan(int width, int height, const PreprocessOptions& options) {
    const int n = options.size;
    std::int64_t to_width = n, to_height = n;
    if (options.crop != Crop::none) {
        if (width <= height)
            to_height = longer_side(n, height, width);
        else
            to_width = longer_side(n, width, height);
    }
    const auto begin = [&](std::int64_t side) {
        return options.crop == Crop::placed ? placed_begin(side, n, options.place)
                                            : crop_begin(side, n);
    };
    return {{width, to_width, begin(to_width), n}, {height, to_height, begin(to_height), n}};
}

/// Every pixel taken from one pixel of the source: nearest, or a plain crop.
std::vector<std::uint8_t> pick(const Image& image, const OrientedRows& rows,
                               const ResizeWindow& window) {
    const std::vector<int> xs = nearest_inputs(window.x);
    const std::vector<int> ys = nearest_inputs(window.y);
    std::vector<std::uint8_t> out(xs.size() * ys.size() * 3);
    const ToRgb to_rgb(image);
    std::uint8_t* at = out.data();
    for (const int y : ys) {
        for (const int x : xs) {
            const std::uint8_t* pixel = rows.pixel(x, y);
            if (image.mode == PixelMode::grey16) {
                std::uint16_t sample = 0;
                std::memcpy(&sample, pixel, 2);
                std::memset(at, std::min<int>(sample, 255), 3);
            } else {
                to_rgb(at, pixel);
            }
            at += 3;
        }
    }
    return out;
}

std::vector<std::uint8_t> resize_wide(OrientedRows& rows, const ResizeWindow& window) {
    const std::vector<std::int32_t> grey = resize_grey16(rows, window);
    std::vector<std::uint8_t> out(grey.size() * 3);
    for (std::size_t i = 0; i < grey.size(); ++i)
        std::memset(out.data() + 3 * i, std::clamp(grey[i], 0, 255), 3);
    return out;
}

void check_picture(const Image& image, const PreprocessOptions& options) {
    if (options.size < 1 || options.size > kMaxSize)
        fail(ErrorCode::invalid_argument, concat("prepare picture: size out of range (got ",
                                                 options.size, ", want 1 to ", kMaxSize, ")"));
    if (image.width < 1 || image.height < 1 ||
        image.pixels.size() != image.row_bytes() * static_cast<std::size_t>(image.height))
        fail(ErrorCode::invalid_argument, "prepare picture: it has no pixels, or not as many as "
                                          "its width and height say");
}

/// Each output is its own input: a resize to the same size.
Taps<std::int32_t> plain_taps(const AxisWindow& window) {
    Taps<std::int32_t> taps;
    taps.stride = 1;
    for (int i = 0; i < window.count; ++i)
        taps.first.push_back(static_cast<int>(window.begin) + i);
    taps.count.assign(taps.first.size(), 1);
    taps.weight.assign(taps.first.size(), 1 << kWeightBits);
    return taps;
}

} // namespace

std::vector<std::uint8_t> preprocess_u8(const Image& image, const PreprocessOptions& options) {
    check_picture(image, options);
    if (image.mode == PixelMode::grey16 && options.scale_grey16)
        return preprocess_u8(upper_bytes(image), options);

    OrientedRows rows(image, options.orientation == Orientation::exif ? image.orientation : 1);
    const ResizeWindow window = plan(rows.width(), rows.height(), options);
    const bool same = window.x.in == window.x.out && window.y.in == window.y.out;
    if (same || image.mode == PixelMode::palette || image.mode == PixelMode::bilevel)
        return pick(image, rows, window);
    if (image.mode == PixelMode::grey16)
        return resize_wide(rows, window);

    const std::size_t channels = pixel_size(image.mode);
    const bool alpha = image.mode == PixelMode::rgba || image.mode == PixelMode::grey_alpha;
    std::vector<std::uint8_t> pixels =
        resize_bytes(rows, static_cast<int>(channels), alpha, window);
    if (image.mode == PixelMode::rgb)
        return pixels;
    std::vector<std::uint8_t> out(pixels.size() / channels * 3);
    const ToRgb to_rgb(image);
    for (std::size_t i = 0; i < out.size() / 3; ++i)
        to_rgb(out.data() + 3 * i, pixels.data() + channels * i);
    return out;
}

std::optional<PreprocessPlan> plan_preprocess(const Image& image,
                                              const PreprocessOptions& options) {
    check_picture(image, options);
    const bool turned = options.orientation == Orientation::exif && image.orientation != 1;
    if (image.mode != PixelMode::rgb || turned)
        return std::nullopt;
    const ResizeWindow window = plan(image.width, image.height, options);
    if (window.x.in == window.x.out && window.y.in == window.y.out)
        return PreprocessPlan{plain_taps(window.x), plain_taps(window.y)};
    if (taps_block(window.x) < window.x.count || taps_block(window.y) < window.y.count)
        return std::nullopt;
    return PreprocessPlan{bicubic_taps_fixed(window.x), bicubic_taps_fixed(window.y)};
}

void preprocess(const Image& image, const PreprocessOptions& options, float* out) {
    const std::vector<std::uint8_t> pixels = preprocess_u8(image, options);
    const std::size_t count = pixels.size() / 3;
    for (std::size_t c = 0; c < 3; ++c) {
        float table[256];
        for (int value = 0; value < 256; ++value)
            table[value] = (static_cast<float>(value) / 255.0F - options.mean[c]) / options.std[c];
        for (std::size_t i = 0; i < count; ++i)
            out[c * count + i] = table[pixels[3 * i + c]];
    }
}

} // namespace clip

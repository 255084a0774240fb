// SPDX-License-Identifier: MIT
// Pictures that need no files, and what augment makes of them.
#pragma once

#include <array>
#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include "train/augment.hpp"

namespace clip_test {

using clip::Image;
using clip::PixelMode;

/// For CHECK: within a fraction `tolerance` of `value`.
inline doctest::Approx about(double value, double tolerance) {
    return doctest::Approx(value).epsilon(tolerance).scale(0.0);
}

using Pixel = std::array<std::uint8_t, 4>;

/// A picture whose pixels are what `at` says of their places.
inline Image picture(int width, int height, PixelMode mode,
                     const std::function<Pixel(int, int)>& at) {
    Image image = clip::make_image(width, height, mode, "made");
    for (std::size_t i = 0; i < 256; ++i)
        image.palette[i] = {static_cast<std::uint8_t>(i), 40, 200};
    std::uint8_t* to = image.pixels.data();
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x, to += pixel_size(mode))
            std::memcpy(to, at(x, y).data(), pixel_size(mode));
    return image;
}

inline Image flat(int width, int height, PixelMode mode, Pixel pixel) {
    return picture(width, height, mode, [&](int, int) { return pixel; });
}

/// Different in every pixel.
inline Pixel busy(int x, int y) {
    return {static_cast<std::uint8_t>(x * 37 + y * 11), static_cast<std::uint8_t>(x * 5 + y * 91),
            static_cast<std::uint8_t>(x * x + y), static_cast<std::uint8_t>(x * y * 3)};
}

/// Options whose mean and std leave colours in [0, 1] as they are.
inline clip::PreprocessOptions plain(int n) {
    clip::PreprocessOptions options;
    options.size = n;
    options.mean = {0.0F, 0.0F, 0.0F};
    options.std = {1.0F, 1.0F, 1.0F};
    return options;
}

struct Made {
    int n;
    std::vector<float> values;
    float at(int c, int y, int x) const {
        return values[static_cast<std::size_t>((c * n + y) * n + x)];
    }
};

inline Made changed(const Image& image, const clip::train::AugmentOptions& options, int n,
                    std::uint64_t index) {
    Made out{n, std::vector<float>(static_cast<std::size_t>(3 * n * n),
                                   std::numeric_limits<float>::quiet_NaN())};
    clip::train::augment(image, plain(n), options, {7, 1, index, 0x80000000U}, out.values.data());
    return out;
}

inline clip::train::AugmentOptions everything() {
    clip::train::AugmentOptions options;
    options.min_scale = 0.3;
    options.zoom_out = 0.5;
    options.rotate = 30.0;
    options.flip = 0.5;
    options.color_jitter = 0.4;
    options.hue = 0.1;
    options.grayscale = 0.2;
    options.background = clip::train::Background::random;
    options.erase = 0.3;
    return options;
}

inline constexpr std::array kModes = {PixelMode::bilevel,    PixelMode::grey,   PixelMode::grey16,
                                      PixelMode::grey_alpha, PixelMode::rgb,    PixelMode::rgba,
                                      PixelMode::cmyk,       PixelMode::palette};

} // namespace clip_test

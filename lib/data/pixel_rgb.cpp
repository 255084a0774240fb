// SPDX-License-Identifier: MIT
#include "data/pixel_rgb.hpp"

#include <algorithm>
#include <cstring>

namespace clip {

void ToRgb::operator()(std::uint8_t* rgb, const std::uint8_t* pixel) const {
    switch (mode_) {
    case PixelMode::rgb:
    case PixelMode::rgba:
        std::memcpy(rgb, pixel, 3);
        return;
    case PixelMode::palette:
        std::memcpy(rgb, palette_[pixel[0]].data(), 3);
        return;
    case PixelMode::cmyk:
        for (int c = 0; c < 3; ++c) {
            const int white = 255 - pixel[3];
            const int product = pixel[c] * white + 128;
            const int value = white - (((product >> 8) + product) >> 8);
            rgb[c] = static_cast<std::uint8_t>(std::clamp(value, 0, 255));
        }
        return;
    default:
        std::memset(rgb, pixel[0], 3);
    }
}

Image upper_bytes(const Image& image) {
    Image grey = make_image(image.width, image.height, PixelMode::grey, image.format);
    grey.orientation = image.orientation;
    const std::uint8_t* from = image.pixels.data();
    std::uint8_t* to = grey.pixels.data();
    for (std::size_t i = 0; i < grey.pixels.size(); ++i) {
        std::uint16_t sample = 0;
        std::memcpy(&sample, from + 2 * i, 2);
        to[i] = static_cast<std::uint8_t>(sample >> 8);
    }
    return grey;
}

} // namespace clip

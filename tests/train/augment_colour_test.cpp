// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "made_pictures.hpp"

using namespace clip;
using namespace clip::train;
using clip_test::about;
using clip_test::changed;
using clip_test::flat;
using clip_test::kModes;
using clip_test::Made;
using clip_test::picture;
using clip_test::Pixel;
using clip_test::plain;

TEST_CASE("augment: backgrounds are seen where a picture is transparent, and nowhere else") {
    AugmentOptions options;
    options.background = Background::random;
    // Left opaque, the right invisible, and the border between two pixels of the result.
    const Image image = picture(64, 64, PixelMode::rgba, [](int x, int) {
        return Pixel{51, 102, 204, static_cast<std::uint8_t>(x < 32 ? 255 : 0)};
    });
    int white = 0, light = 0, black = 0, even = 0, gradients = 0;
    for (std::uint64_t index = 0; index < 800; ++index) {
        const Made result = changed(image, options, 16, index);
        for (int y = 0; y < 16; y += 5)
            for (int x = 0; x < 6; ++x) {
                CHECK(result.at(0, y, x) == about(0.2, 0.001));
                CHECK(result.at(1, y, x) == about(0.4, 0.001));
                CHECK(result.at(2, y, x) == about(0.8, 0.001));
            }
        float low = 1.0F, high = 0.0F, spread = 0.0F;
        for (int c = 0; c < 3; ++c) {
            float darkest = 1.0F, lightest = 0.0F;
            for (int y = 0; y < 16; ++y)
                for (int x = 11; x < 16; ++x) {
                    darkest = std::min(darkest, result.at(c, y, x));
                    lightest = std::max(lightest, result.at(c, y, x));
                }
            low = std::min(low, darkest);
            high = std::max(high, lightest);
            spread = std::max(spread, lightest - darkest);
        }
        if (low == 1.0F)
            ++white;
        else if (high == 0.0F)
            ++black;
        else if (spread > 0.0F)
            ++gradients;
        else if (low >= 0.9F)
            ++light;
        else
            ++even;
    }
    CHECK(white == about(150, 0.3));
    CHECK(light == about(150, 0.3));
    CHECK(black == about(200, 0.2));
    CHECK(even == about(150, 0.3));
    CHECK(gradients == about(150, 0.3));

    // Grey with alpha and palettes with transparent colours are composited, too.
    const Image grey = flat(9, 9, PixelMode::grey_alpha, {100, 0, 0, 0});
    Image palette = flat(9, 9, PixelMode::palette, {2, 0, 0, 0});
    const Made on_grey = changed(grey, options, 8, 0);
    CHECK(changed(palette, options, 8, 0).values != on_grey.values);
    palette.palette_alpha = {255, 255, 0};
    CHECK(changed(palette, options, 8, 0).values == on_grey.values);
}

TEST_CASE("augment: colours stay in the bounds of their options") {
    const Image even = flat(8, 8, PixelMode::rgb, {102, 102, 102, 0});
    const Image red = flat(8, 8, PixelMode::rgb, {204, 51, 51, 0});
    AugmentOptions options;
    options.color_jitter = 0.25;
    float low = 1.0F, high = 0.0F;
    for (std::uint64_t index = 0; index < 300; ++index) {
        const Made result = changed(even, options, 4, index);
        // Of one grey neither contrast nor saturation changes anything.
        for (const float value : result.values)
            CHECK(value == about(result.values[0], 1e-5));
        low = std::min(low, result.values[0]);
        high = std::max(high, result.values[0]);
    }
    CHECK(low == about(0.4 * 0.75, 0.03));
    CHECK(high == about(0.4 * 1.25, 0.03));

    const Image steps = picture(8, 8, PixelMode::grey, [](int x, int) {
        return Pixel{static_cast<std::uint8_t>(x < 4 ? 90 : 160)};
    });
    double flattest = 9.0, steepest = 0.0;
    for (std::uint64_t index = 0; index < 300; ++index) {
        const Made result = changed(steps, options, 8, index);
        const double ratio = (result.at(0, 4, 7) - result.at(0, 4, 0)) /
                             (result.at(0, 4, 7) + result.at(0, 4, 0)); // free of brightness
        flattest = std::min(flattest, ratio / (70.0 / 250.0));
        steepest = std::max(steepest, ratio / (70.0 / 250.0));
    }
    CHECK(flattest == about(0.75, 0.03));
    CHECK(steepest == about(1.25, 0.03));

    AugmentOptions grey;
    grey.grayscale = 1.0;
    const Made without = changed(red, grey, 4, 0);
    const double luma = (0.299 * 204 + 0.701 * 51) / 255.0;
    for (const float value : without.values)
        CHECK(value == about(luma, 1e-4));

    AugmentOptions turned;
    turned.hue = 0.5;
    bool green = false, blue = false;
    for (std::uint64_t index = 0; index < 200; ++index) {
        const Made result = changed(red, turned, 4, index);
        const float r = result.at(0, 1, 1), g = result.at(1, 1, 1), b = result.at(2, 1, 1);
        if (r > 0.001F && g > 0.001F && b > 0.001F && r < 0.999F)
            CHECK(r + g + b == about(1.2, 1e-4));
        green = green || (g > 0.78F && r < 0.25F && b < 0.25F);
        blue = blue || (b > 0.78F && r < 0.25F && g < 0.25F);
        CHECK(changed(even, turned, 4, index).at(0, 1, 1) == about(0.4, 1e-4));
    }
    CHECK(green);
    CHECK(blue);

    // A picture's background is not part of it: of half-transparent grey, half is the background
    // as it was, and half is the grey as it would be without transparency.
    options.background = Background::random;
    AugmentOptions only_background;
    only_background.background = Background::random;
    const Image clear = flat(8, 8, PixelMode::rgba, {0, 0, 0, 0});
    const Image half = flat(8, 8, PixelMode::rgba, {102, 102, 102, 51});
    int composited = 0;
    for (std::uint64_t index = 0; index < 20; ++index) {
        const Made behind = changed(clear, only_background, 4, index);
        const Made grey_part = changed(even, options, 4, index);
        const Made both = changed(half, options, 4, index);
        if (*std::max_element(behind.values.begin(), behind.values.end()) == 0.0F)
            continue; // alpha is dropped
        ++composited;
        for (std::size_t i = 0; i < both.values.size(); ++i) {
            // The resize multiplies alpha in and out in bytes.
            const float wanted = 0.8F * behind.values[i] + 0.2F * grey_part.values[i];
            CHECK(std::fabs(both.values[i] - wanted) < 0.005F);
        }
    }
    CHECK(composited > 10);
}

TEST_CASE("augment: erasing leaves one rectangle of the mean") {
    AugmentOptions options;
    options.erase = 0.5;
    const Image image = flat(20, 20, PixelMode::rgb, {200, 200, 200, 0});
    int erased = 0;
    double flattest = 1.0, steepest = 1.0;
    for (std::uint64_t index = 0; index < 300; ++index) {
        const Made result = changed(image, options, 40, index);
        int count = 0, left = 40, right = -1, top = 40, bottom = -1;
        for (int y = 0; y < 40; ++y)
            for (int x = 0; x < 40; ++x)
                if (result.at(0, y, x) == 0.0F) {
                    ++count;
                    left = std::min(left, x);
                    right = std::max(right, x);
                    top = std::min(top, y);
                    bottom = std::max(bottom, y);
                }
        if (count == 0)
            continue;
        ++erased;
        CHECK(count == (right - left + 1) * (bottom - top + 1));
        const double aspect = (right - left + 1.0) / (bottom - top + 1.0);
        flattest = std::max(flattest, aspect);
        steepest = std::min(steepest, aspect);
        CHECK(count > 1600 * 0.02 * 0.7);
        CHECK(count < 1600 * 0.2 * 1.2);
    }
    CHECK(flattest > 2.2);
    CHECK(flattest < 3.6);
    CHECK(steepest < 1 / 2.2);
    CHECK(steepest > 1 / 3.6);
    CHECK(erased > 120);
    CHECK(erased < 180);
}

TEST_CASE("augment: a picture of one colour keeps it in every mode") {
    AugmentOptions options;
    options.min_scale = 0.5;
    options.rotate = 25.0;
    options.flip = 0.5;
    for (const PixelMode mode : kModes) {
        Image image = flat(50, 40, mode, {80, 255, 255, 255});
        if (mode == PixelMode::grey16)
            for (std::size_t i = 0; i < image.pixels.size(); i += 2) {
                const std::uint16_t sample = 80;
                std::memcpy(image.pixels.data() + i, &sample, 2);
            }
        if (mode == PixelMode::cmyk)
            image = flat(50, 40, mode, {175, 0, 0, 0});
        Made wanted{16, std::vector<float>(768)};
        preprocess(image, plain(16), wanted.values.data());
        for (std::uint64_t index = 0; index < 10; ++index) {
            const Made result = changed(image, options, 16, index);
            for (int c = 0; c < 3; ++c)
                for (int i = 0; i < 16; ++i)
                    CHECK(result.at(c, i, 15 - i) == about(wanted.at(c, 3, 3), 1e-5));
        }
    }
}

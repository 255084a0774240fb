// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include "made_pairs.hpp"
#include "made_pictures.hpp"
#include "train/draws.hpp"

using namespace clip;
using namespace clip::train;
using clip_test::about;
using clip_test::busy;
using clip_test::changed;
using clip_test::everything;
using clip_test::flat;
using clip_test::kModes;
using clip_test::Made;
using clip_test::picture;
using clip_test::Pixel;
using clip_test::plain;

TEST_CASE("augment: off, samples are preprocess's to the bit; on, they are augment's") {
    const clip_test::MadePairs pairs(3);
    SampleOptions options = clip_test::options_of(1).sample;
    CHECK_FALSE(options.augment.any());
    const Image image =
        decode_image(
            [] {
                PairRecord record;
                clip_test::MadePairs(3).read(2, record);
                return std::vector<std::uint8_t>(record.bytes.begin(), record.bytes.end());
            }(),
            {})
            .value();
    std::vector<float> made(192), wanted(192);
    TokenizedText text;
    Skip skip;
    PairRecord scratch;
    PreprocessOptions placed = options.preprocess;
    placed.crop = Crop::placed;
    placed.place = draw(options.seed, Draw::sample, 4, 2)[1];

    REQUIRE(SampleMaker(pairs, clip_test::shared_tokenizer(), options)
                .make(4, 2, made.data(), text, skip, scratch));
    preprocess(image, placed, wanted.data());
    CHECK(made == wanted);

    options.augment = everything();
    REQUIRE(SampleMaker(pairs, clip_test::shared_tokenizer(), options)
                .make(4, 2, made.data(), text, skip, scratch));
    CHECK(made != wanted);
    augment(image, placed, options.augment, {options.seed, 4, 2, placed.place}, wanted.data());
    CHECK(made == wanted);

    // Validation sees pictures as they are.
    options.training = false;
    placed.crop = Crop::center;
    REQUIRE(SampleMaker(pairs, clip_test::shared_tokenizer(), options)
                .make(4, 2, made.data(), text, skip, scratch));
    preprocess(image, placed, wanted.data());
    CHECK(made == wanted);
}

TEST_CASE("augment: the same whatever the threads; another epoch or seed is another picture") {
    const clip_test::MadePairs pairs(40);
    const auto all = [&](std::size_t threads, std::uint64_t seed) {
        LoaderOptions options = clip_test::options_of(8, threads);
        options.sample.seed = seed;
        options.sample.augment = everything();
        BatchLoader loader(pairs, clip_test::shared_tokenizer(), options);
        std::vector<float> out;
        Batch batch;
        while (loader.next(batch))
            out.insert(out.end(), batch.pixels.begin(), batch.pixels.end());
        return out;
    };
    const auto wanted = all(1, 5);
    CHECK(all(2, 5) == wanted);
    CHECK(all(4, 5) == wanted);
    CHECK(all(1, 6) != wanted);

    const Image image = picture(20, 20, PixelMode::rgb, busy);
    std::vector<float> first(192), second(192);
    augment(image, plain(8), everything(), {5, 0, 3, 0}, first.data());
    augment(image, plain(8), everything(), {5, 1, 3, 0}, second.data());
    CHECK(first != second);
    augment(image, plain(8), everything(), {5, 0, 4, 0}, second.data());
    CHECK(first != second);
}

TEST_CASE("augment: a mirrored square is preprocess's, mirrored, to the bit") {
    for (const PixelMode mode : {PixelMode::grey, PixelMode::rgb, PixelMode::cmyk}) {
        const Image image = picture(31, 31, mode, busy);
        AugmentOptions options;
        options.flip = 1.0;
        const Made mirrored = changed(image, options, 12, 0);
        Made wanted{12, std::vector<float>(432)};
        preprocess(image, plain(12), wanted.values.data());
        int different = 0;
        for (int c = 0; c < 3; ++c)
            for (int y = 0; y < 12; ++y)
                for (int x = 0; x < 12; ++x)
                    different += mirrored.at(c, y, x) != wanted.at(c, y, 11 - x) ? 1 : 0;
        CHECK(different == 0);
    }
    // And half of the time where that is the probability.
    AugmentOptions half;
    half.flip = 0.5;
    const Image ramp = picture(8, 8, PixelMode::grey,
                               [](int x, int) { return Pixel{static_cast<std::uint8_t>(x * 30)}; });
    int flips = 0;
    for (std::uint64_t index = 0; index < 400; ++index) {
        const Made result = changed(ramp, half, 8, index);
        flips += result.at(0, 0, 0) > result.at(0, 0, 7) ? 1 : 0;
    }
    CHECK(flips > 160);
    CHECK(flips < 240);
}

TEST_CASE("augment: a random crop shows a part of the picture") {
    // Red grows to the right, green downwards: the corners of a result tell its crop.
    const Image ramp = picture(200, 160, PixelMode::rgb, [](int x, int y) {
        return Pixel{static_cast<std::uint8_t>(x), static_cast<std::uint8_t>(y), 9, 0};
    });
    AugmentOptions options;
    options.min_scale = 0.25;
    double smallest = 1.0, largest = 0.0, placed = 0.0, x_sum = 0.0, y_sum = 0.0, together = 0.0;
    for (std::uint64_t index = 0; index < 300; ++index) {
        const Made result = changed(ramp, options, 16, index);
        const double wide = (result.at(0, 8, 15) - result.at(0, 8, 0)) * 255.0 * 16 / 15;
        const double high = (result.at(1, 15, 8) - result.at(1, 0, 8)) * 255.0 * 16 / 15;
        CHECK(wide / high > 0.75 * 0.9);
        CHECK(wide / high < 4.0 / 3.0 * 1.1);
        smallest = std::min(smallest, wide * high / (200 * 160));
        largest = std::max(largest, wide * high / (200 * 160));
        // Where in its room the crop lies, from 0 to 1.
        if (wide > 180.0 || high > 140.0)
            continue;
        const double x = (result.at(0, 8, 0) * 255.0 - wide / 32) / (200 - wide);
        const double y = (result.at(1, 0, 8) * 255.0 - high / 32) / (160 - high);
        placed += 1.0;
        x_sum += x;
        y_sum += y;
        together += (x - 0.5) * (y - 0.5);
    }
    CHECK(smallest == about(0.25, 0.12));
    CHECK(largest > 0.85);
    CHECK(x_sum / placed == about(0.5, 0.1));
    CHECK(y_sum / placed == about(0.5, 0.1));
    CHECK(std::fabs(together / placed) < 0.02);

    // Nothing but the picture, whatever its sides.
    for (int width = 1; width < 40; ++width) {
        const Image white = flat(width, 23, PixelMode::rgb, {255, 255, 255, 0});
        for (std::uint64_t index = 0; index < 10; ++index) {
            const Made result = changed(white, options, 16, index);
            CHECK(*std::min_element(result.values.begin(), result.values.end()) == 1.0F);
        }
    }
}

TEST_CASE("augment: zooming out makes a transparent picture smaller, and no other") {
    AugmentOptions options;
    options.zoom_out = 0.5;
    // Opaque but for one corner.
    const Image image = picture(40, 40, PixelMode::rgba, [](int x, int y) {
        return Pixel{255, 255, 255, static_cast<std::uint8_t>(x + y == 0 ? 0 : 255)};
    });
    int smallest = 99, largest = 0, left = 0, right = 0;
    for (std::uint64_t index = 0; index < 300; ++index) {
        const Made result = changed(image, options, 32, index);
        int first = 32, last = -1;
        for (int x = 0; x < 32; ++x) {
            float sum = 0.0F;
            for (int y = 0; y < 32; ++y)
                sum += result.at(0, y, x);
            if (sum > 4.0F) {
                first = std::min(first, x);
                last = std::max(last, x);
            }
        }
        smallest = std::min(smallest, last - first + 1);
        largest = std::max(largest, last - first + 1);
        left = std::max(left, first);
        right = std::max(right, 31 - last);
    }
    CHECK(smallest >= 15);
    CHECK(smallest <= 17);
    CHECK(largest == 32);
    CHECK(left >= 12);
    CHECK(right >= 12);
    const Made opaque =
        changed(flat(40, 40, PixelMode::rgba, {255, 255, 255, 255}), options, 32, 1);
    CHECK(*std::min_element(opaque.values.begin(), opaque.values.end()) == 1.0F);
}

TEST_CASE("augment: turning") {
    AugmentOptions options;
    options.rotate = 40.0;
    for (const bool upright : {true, false}) {
        const Image halves = picture(96, 96, PixelMode::rgb, [&](int x, int y) {
            const std::uint8_t v = (upright ? x : y) < 48 ? 0 : 255;
            return Pixel{v, v, v, 0};
        });
        double smallest = 0.0, largest = 0.0;
        for (std::uint64_t index = 0; index < 200; ++index) {
            const Made result = changed(halves, options, 32, index);
            // Where the white is inside of the circle that every turn keeps.
            double mass = 0.0, x_sum = 0.0, y_sum = 0.0, count = 0.0;
            for (int y = 0; y < 32; ++y)
                for (int x = 0; x < 32; ++x) {
                    const double dx = x - 15.5, dy = y - 15.5;
                    if (dx * dx + dy * dy > 15.0 * 15.0)
                        continue;
                    count += 1.0;
                    mass += result.at(0, y, x);
                    x_sum += result.at(0, y, x) * dx;
                    y_sum += result.at(0, y, x) * dy;
                }
            CHECK(mass / count == about(0.5, 0.01));
            const double radius = std::hypot(x_sum, y_sum) / mass; // 4 / (3 pi) of the circle's
            CHECK(radius == about(15.0 * 4.0 / (3.0 * 3.14159265), 0.02));
            const double degrees =
                std::atan2(y_sum, x_sum) * 180.0 / 3.14159265 - (upright ? 0.0 : 90.0);
            smallest = std::min(smallest, degrees);
            largest = std::max(largest, degrees);
        }
        CHECK(smallest == about(-40.0, 0.05));
        CHECK(largest == about(40.0, 0.05));
    }

    // Corners: an opaque picture has none that are empty, a transparent one has.
    const Made opaque = changed(flat(30, 30, PixelMode::rgb, {255, 255, 255, 0}), options, 32, 3);
    CHECK(*std::min_element(opaque.values.begin(), opaque.values.end()) > 0.999F);
    const Image glass = picture(30, 30, PixelMode::rgba, [](int x, int y) {
        return Pixel{255, 255, 255, static_cast<std::uint8_t>(x == 15 && y == 15 ? 0 : 255)};
    });
    double darkest = 1.0;
    for (std::uint64_t index = 0; index < 20; ++index)
        darkest = std::min<double>(darkest, changed(glass, options, 32, index).at(0, 0, 0));
    CHECK(darkest == 0.0);

    // Beyond its edges an opaque picture is mirrored: far enough out is again what is inside.
    const Image framed = picture(96, 96, PixelMode::grey, [](int x, int y) {
        const bool frame = std::min({x, y, 95 - x, 95 - y}) < 6;
        return Pixel{static_cast<std::uint8_t>(frame ? 0 : 255)};
    });
    float lightest = 0.0F;
    for (std::uint64_t index = 0; index < 30; ++index)
        lightest = std::max(lightest, changed(framed, options, 32, index).at(0, 0, 0));
    CHECK(lightest > 0.9F);

    options.flip = 1.0;
    const Image ramp = picture(32, 32, PixelMode::grey,
                               [](int x, int) { return Pixel{static_cast<std::uint8_t>(x * 8)}; });
    for (std::uint64_t index = 0; index < 10; ++index) {
        const Made result = changed(ramp, options, 16, index);
        CHECK(result.at(0, 8, 4) > result.at(0, 8, 12) + 0.2F);
    }
}

TEST_CASE("augment: shrinking does not alias, turned or not") {
    const Image stripes = picture(320, 320, PixelMode::grey, [](int x, int) {
        return Pixel{static_cast<std::uint8_t>(x % 2 * 255)};
    });
    for (const double rotate : {0.0, 20.0}) {
        AugmentOptions options;
        options.rotate = rotate;
        options.min_scale = 0.9;
        for (std::uint64_t index = 0; index < 20; ++index)
            for (const float value : changed(stripes, options, 32, index).values) {
                CHECK(value > 0.45F);
                CHECK(value < 0.55F);
            }
    }
}

TEST_CASE("augment: an option leaves the draws of the others as they are") {
    const Image image = picture(24, 24, PixelMode::rgba, busy);
    AugmentOptions flip;
    flip.flip = 0.5;
    AugmentOptions both = flip;
    both.erase = 1.0;
    for (std::uint64_t index = 0; index < 20; ++index) {
        const Made one = changed(image, flip, 16, index), two = changed(image, both, 16, index);
        int different = 0;
        for (std::size_t i = 0; i < one.values.size(); ++i)
            if (one.values[i] != two.values[i] && two.values[i] != 0.0F)
                ++different;
        CHECK(different == 0);
    }
}

TEST_CASE("augment: every mode and size gives colours") {
    AugmentOptions turned = everything();
    AugmentOptions upright = everything();
    upright.rotate = 0.0;
    upright.zoom_out = 0.9;
    turned.zoom_out = 0.9;
    turned.rotate = 180.0;
    turned.min_scale = 0.01;
    constexpr std::array<std::array<int, 2>, 8> kSizes = {
        {{1, 1}, {1, 90}, {90, 1}, {2, 2}, {3, 700}, {20000, 1}, {33, 17}, {64, 64}}};
    for (const PixelMode mode : kModes)
        for (const auto& [width, height] : kSizes)
            for (const int n : {1, 2, 7, 48}) {
                Image image = picture(width, height, mode, busy);
                image.orientation = (width + n) % 8 + 1;
                if (mode == PixelMode::palette)
                    image.palette_alpha = {0, 30, 200, 0, 7};
                int bad = 0;
                for (std::uint64_t index = 0; index < 12; ++index)
                    for (const AugmentOptions& options : {turned, upright})
                        for (const float value : changed(image, options, n, index).values)
                            bad += value >= 0.0F && value <= 1.0F ? 0 : 1; // counts NaN
                CHECK(bad == 0);
            }
}

TEST_CASE("augment: options outside their ranges are refused") {
    const auto refused = [](const std::function<void(AugmentOptions&)>& set) {
        AugmentOptions options;
        set(options);
        const clip_test::MadePairs pairs(3);
        SampleOptions sample = clip_test::options_of(1).sample;
        sample.augment = options;
        CHECK_THROWS_AS(SampleMaker(pairs, clip_test::shared_tokenizer(), sample), Error);
        CHECK_THROWS_AS(check_augment(options), Error);
    };
    refused([](AugmentOptions& o) { o.min_scale = 0.0; });
    refused([](AugmentOptions& o) { o.min_scale = 1.5; });
    refused([](AugmentOptions& o) { o.zoom_out = 1.0; });
    refused([](AugmentOptions& o) { o.rotate = -1.0; });
    refused([](AugmentOptions& o) { o.rotate = 181.0; });
    refused([](AugmentOptions& o) { o.flip = 1.1; });
    refused([](AugmentOptions& o) { o.color_jitter = std::nan(""); });
    refused([](AugmentOptions& o) { o.hue = 0.6; });
    refused([](AugmentOptions& o) { o.grayscale = -0.1; });
    refused([](AugmentOptions& o) { o.erase = 2.0; });
    CHECK_NOTHROW(check_augment(everything()));
}

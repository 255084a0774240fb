// SPDX-License-Identifier: MIT
#include <algorithm>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "data/resize.hpp"
#include "data/resize_kernels.hpp"

namespace {

using clip::PixelMode;

clip::Image random_image(int width, int height, PixelMode mode, unsigned seed) {
    clip::Image image = clip::make_image(width, height, mode, "test");
    std::mt19937 random(seed);
    for (std::size_t i = 0; i < image.pixels.size(); ++i) // many extremes, so that sums clip
        image.pixels.data()[i] =
            static_cast<std::uint8_t>(random() % 3 == 0 ? (random() % 2) * 255 : random() % 256);
    return image;
}

clip::ResizeWindow whole(const clip::Image& image, int width, int height) {
    return {{image.width, width, 0, width}, {image.height, height, 0, height}};
}

} // namespace

TEST_CASE("resize: the kernels of this CPU give the bytes of the portable ones") {
    std::mt19937 random(5);
    for (const PixelMode mode :
         {PixelMode::grey, PixelMode::grey_alpha, PixelMode::rgb, PixelMode::rgba}) {
        for (int i = 0; i < 40; ++i) {
            const int width = static_cast<int>(random() % 150 + 1);
            const int height = static_cast<int>(random() % 150 + 1);
            const clip::Image image = random_image(width, height, mode, random());
            const auto window = whole(image, static_cast<int>(random() % 60 + 1),
                                      static_cast<int>(random() % 60 + 1));
            const int channels = static_cast<int>(clip::pixel_size(mode));
            const bool alpha = i % 2 == 0 && (channels == 2 || channels == 4);
            clip::OrientedRows rows(image, i % 8 + 1);
            const clip::ResizeWindow turned =
                i % 8 >= 4 ? clip::ResizeWindow{{height, window.x.out, 0, window.x.count},
                                                {width, window.y.out, 0, window.y.count}}
                           : window;
            CAPTURE(width);
            CAPTURE(height);
            CAPTURE(channels);
            CHECK(clip::resize_bytes(rows, channels, alpha, turned) ==
                  clip::resize_bytes(rows, channels, alpha, turned, clip::KernelChoice::portable));
        }
    }
}

TEST_CASE("resize: a window holds what the whole has there") {
    const clip::Image image = random_image(90, 71, PixelMode::rgb, 1);
    clip::OrientedRows rows(image, 1);
    const auto full = clip::resize_bytes(rows, 3, false, whole(image, 40, 33));
    const auto part = clip::resize_bytes(rows, 3, false, {{90, 40, 7, 20}, {71, 33, 5, 11}});
    for (std::size_t y = 0; y < 11; ++y)
        CHECK(std::equal(part.begin() + static_cast<long>(y * 60),
                         part.begin() + static_cast<long>((y + 1) * 60),
                         full.begin() + static_cast<long>(((y + 5) * 40 + 7) * 3)));
}

TEST_CASE("resize: the same size gives the same bytes") {
    const clip::Image image = random_image(33, 21, PixelMode::rgba, 2);
    clip::OrientedRows rows(image, 1);
    const auto out = clip::resize_bytes(rows, 4, false, whole(image, 33, 21));
    CHECK(std::equal(out.begin(), out.end(), image.pixels.data()));
}

TEST_CASE("resize: one colour stays that colour") {
    clip::Image image = clip::make_image(300, 5, PixelMode::rgb, "test");
    for (std::size_t i = 0; i < image.pixels.size(); ++i)
        image.pixels.data()[i] = static_cast<std::uint8_t>(50 + 100 * (i % 3));
    clip::OrientedRows rows(image, 1);
    const auto out = clip::resize_bytes(rows, 3, false, whole(image, 17, 40));
    for (std::size_t i = 0; i < out.size(); ++i)
        REQUIRE(out[i] == 50 + 100 * (i % 3));
}

TEST_CASE("resize: weights sum to one and lie inside the axis") {
    for (const clip::AxisWindow& window :
         {clip::AxisWindow{1, 224, 0, 224}, clip::AxisWindow{4000, 224, 0, 224},
          clip::AxisWindow{30000, 336000, 167888, 224}}) {
        const clip::Taps<double> taps = clip::bicubic_taps(window);
        for (int i = 0; i < taps.outputs(); ++i) {
            const auto at = static_cast<std::size_t>(i);
            CHECK(taps.first[at] >= 0);
            CHECK(taps.first[at] + taps.count[at] <= window.in);
            double sum = 0;
            for (int t = 0; t < taps.count[at]; ++t)
                sum += taps.weights(i)[t];
            CHECK(sum == doctest::Approx(1.0).epsilon(1e-12));
        }
    }
    CHECK(clip::taps_block({4000, 224, 0, 224}) == 224);
    CHECK(clip::taps_block({100000000, 224, 0, 224}) < 10);
}

TEST_CASE("resize: blocks of outputs give what one block would") {
    // So long that the weights of all outputs are too many for one block.
    const clip::Image image = random_image(3000000, 1, PixelMode::grey, 3);
    clip::OrientedRows rows(image, 1);
    const clip::ResizeWindow window{{3000000, 24, 0, 24}, {1, 1, 0, 1}};
    REQUIRE(clip::taps_block(window.x) < 24);
    const auto out = clip::resize_bytes(rows, 1, false, window);
    for (int i : {0, 7, 8, 23}) {
        const auto one = clip::resize_bytes(rows, 1, false, {{3000000, 24, i, 1}, {1, 1, 0, 1}});
        CHECK(out[static_cast<std::size_t>(i)] == one[0]);
    }
}

TEST_CASE("resize: nearest takes the middle of each output") {
    CHECK(clip::nearest_inputs({4, 2, 0, 2}) == std::vector<int>{1, 3});
    CHECK(clip::nearest_inputs({2, 4, 1, 3}) == std::vector<int>{0, 1, 1});
    CHECK(clip::nearest_inputs({1, std::int64_t{1} << 40, std::int64_t{1} << 39, 2}) ==
          std::vector<int>{0, 0});
}

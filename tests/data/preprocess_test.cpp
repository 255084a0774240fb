// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "data/image_decode.hpp"
#include "data/preprocess.hpp"

namespace {

using clip::PixelMode;

clip::PreprocessOptions of_size(int size) {
    clip::PreprocessOptions options;
    options.size = size;
    return options;
}

clip::Image filled(int width, int height, PixelMode mode, int value) {
    clip::Image image = clip::make_image(width, height, mode, "test");
    std::fill_n(image.pixels.data(), image.pixels.size(), static_cast<std::uint8_t>(value));
    return image;
}

clip::Image grey16(int width, int height, std::uint16_t value) {
    clip::Image image = clip::make_image(width, height, PixelMode::grey16, "test");
    std::fill_n(reinterpret_cast<std::uint16_t*>(image.pixels.data()), image.pixels.size() / 2,
                value);
    return image;
}

} // namespace

TEST_CASE("preprocess: gives the oracle's bytes for every kind of picture") {
    int compared = 0;
    for (const auto& entry : std::filesystem::directory_iterator(CLIP_TEST_DIR "/golden/pixels")) {
        if (entry.path().extension() != ".u8")
            continue;
        const std::string picture = entry.path().parent_path() / entry.path().stem();
        CAPTURE(picture);
        std::ifstream in(entry.path(), std::ios::binary);
        const std::vector<char> want(std::istreambuf_iterator<char>(in), {});
        const auto image = clip::read_image(picture, {});
        if (!image)
            FAIL(image.error().what());
        const auto got = clip::preprocess_u8(image.value(), of_size(24));
        REQUIRE(got.size() == want.size());
        CHECK(
            std::equal(got.begin(), got.end(), reinterpret_cast<const std::uint8_t*>(want.data())));
        ++compared;
    }
    CHECK(compared == 36);
}

TEST_CASE("preprocess: normalises in float32, channel by channel") {
    clip::Image image = clip::make_image(1, 1, PixelMode::rgb, "test");
    image.pixels.data()[0] = 10;
    image.pixels.data()[1] = 128;
    image.pixels.data()[2] = 255;
    clip::PreprocessOptions options = of_size(3);
    std::vector<float> out(27, NAN);
    clip::preprocess(image, options, out.data());
    for (std::size_t c = 0; c < 3; ++c) {
        const float value = static_cast<float>(image.pixels.data()[c]) / 255.0F;
        const float want = (value - options.mean[c]) / options.std[c];
        for (std::size_t i = 0; i < 9; ++i)
            CHECK(out[9 * c + i] == want);
    }
    CHECK(out[26] == doctest::Approx(2.1458969));
}

TEST_CASE("preprocess: orientation can be ignored") {
    const auto path = CLIP_TEST_DIR "/golden/pixels/turned-3.jpg";
    clip::Image image = clip::read_image(path, {}).value();
    clip::PreprocessOptions options = of_size(24);
    options.orientation = clip::Orientation::ignore;
    const auto ignored = clip::preprocess_u8(image, options);
    options.orientation = clip::Orientation::exif;
    CHECK(ignored != clip::preprocess_u8(image, options));
    image.orientation = 1;
    CHECK(ignored == clip::preprocess_u8(image, options));
}

TEST_CASE("preprocess: a panorama costs what the crop keeps") {
    // Whole, the resized picture would be 336,000 x 224 (or the other way), 225 MB.
    for (const bool tall : {false, true}) {
        const clip::Image image = tall ? filled(20, 30000, PixelMode::rgba, 255)
                                       : filled(30000, 20, PixelMode::rgba, 255);
        const auto out = clip::preprocess_u8(image, of_size(224));
        CHECK(out.size() == 224 * 224 * 3);
        CHECK(std::all_of(out.begin(), out.end(), [](int value) { return value == 255; }));
    }
    const auto line = clip::preprocess_u8(filled(3000000, 1, PixelMode::palette, 0), of_size(224));
    CHECK(line.size() == 224 * 224 * 3);
}

TEST_CASE("preprocess: pictures of one pixel and one line, in every mode") {
    for (const PixelMode mode : {PixelMode::bilevel, PixelMode::grey, PixelMode::grey_alpha,
                                 PixelMode::rgb, PixelMode::rgba, PixelMode::cmyk}) {
        for (const auto& [width, height] : {std::pair{1, 1}, std::pair{1, 9}, std::pair{500, 1}}) {
            const auto out = clip::preprocess_u8(filled(width, height, mode, 255), of_size(8));
            const int want = mode == PixelMode::cmyk ? 0 : 255; // all inks are black
            CHECK(std::all_of(out.begin(), out.end(), [&](int value) { return value == want; }));
        }
    }
}

TEST_CASE("preprocess: without a crop the whole picture is squashed") {
    clip::Image image = filled(64, 8, PixelMode::rgb, 0);
    for (int y = 0; y < 8; ++y)
        std::fill_n(image.row(y), 3 * 16, std::uint8_t{255}); // the left quarter is white
    clip::PreprocessOptions options = of_size(8);
    CHECK(clip::preprocess_u8(image, options)[0] == 0);
    options.crop = clip::Crop::none;
    const auto squashed = clip::preprocess_u8(image, options);
    CHECK(squashed[0] == 255);
    CHECK(squashed[3 * 7] == 0);
}

TEST_CASE("preprocess: grey of 16 bits is clipped, or scaled where that is asked for") {
    for (const int side : {8, 20}) {
        clip::PreprocessOptions options = of_size(8);
        CHECK(clip::preprocess_u8(grey16(side, side, 300), options)[5] == 255);
        CHECK(clip::preprocess_u8(grey16(side, side, 77), options)[5] == 77);
        options.scale_grey16 = true;
        CHECK(clip::preprocess_u8(grey16(side, side, 300), options)[5] == 1);
        CHECK(clip::preprocess_u8(grey16(side, side, 65535), options)[5] == 255);
    }
}

TEST_CASE("preprocess: rejects sizes that no model has and pictures without pixels") {
    const clip::Image image = filled(4, 4, PixelMode::rgb, 0);
    CHECK_THROWS_AS(clip::preprocess_u8(image, of_size(0)), clip::Error);
    CHECK_THROWS_AS(clip::preprocess_u8(image, of_size(1 << 20)), clip::Error);
    CHECK_THROWS_AS(clip::preprocess_u8(clip::Image{}, of_size(8)), clip::Error);
    clip::Image wrong = filled(4, 4, PixelMode::rgb, 0);
    wrong.height = 5;
    CHECK_THROWS_AS(clip::preprocess_u8(wrong, of_size(8)), clip::Error);
}

TEST_CASE("preprocess: a placed crop is cut from the picture that the whole resize gives") {
    // 40 x 10 of the size that is wanted already: the crop is a plain copy of columns.
    clip::Image image = clip::make_image(40, 10, PixelMode::rgb, "test");
    for (int y = 0; y < 10; ++y)
        for (int x = 0; x < 40; ++x)
            for (int c = 0; c < 3; ++c)
                image.row(y)[3 * x + c] = static_cast<std::uint8_t>(5 * x + c + 10 * (y == 3));
    clip::PreprocessOptions options;
    options.size = 10;
    options.crop = clip::Crop::placed;
    const auto first_column = [&](std::uint32_t place) {
        options.place = place;
        return clip::preprocess_u8(image, options)[0] / 5;
    };
    CHECK(first_column(0) == 0);
    CHECK(first_column(0xffffffffU) == 30);
    CHECK(first_column(0x80000000U) == 15);
    // 31 places: each has its share of the words.
    CHECK(first_column(0x100000000U / 31) == 0);
    CHECK(first_column(0x100000000U / 31 + 1) == 1);
    image.orientation = 6; // stands up now
    options.place = 0xffffffffU;
    const auto upright = clip::preprocess_u8(image, options);
    CHECK(upright.size() == 300);
    CHECK(upright[3 * 9 * 10] / 5 == 39);

    // With a resize: of 17 places the ninth is the middle.
    clip::Image tall = clip::make_image(20, 60, PixelMode::rgb, "test");
    for (std::size_t i = 0; i < tall.pixels.size(); ++i)
        tall.pixels.data()[i] = static_cast<std::uint8_t>(i * i % 251);
    clip::PreprocessOptions middle = of_size(8);
    const auto wanted = clip::preprocess_u8(tall, middle);
    middle.crop = clip::Crop::placed;
    middle.place = 0x80000000U;
    CHECK(clip::preprocess_u8(tall, middle) == wanted);
    middle.place = 0;
    CHECK(clip::preprocess_u8(tall, middle) != wanted);
}

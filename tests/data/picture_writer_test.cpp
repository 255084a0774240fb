// SPDX-License-Identifier: MIT
#include <cmath>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "data/image_decode.hpp"
#include "data/jpeg_writer.hpp"
#include "data/png_writer.hpp"
#include "data/text_mask.hpp"
#include "data/thumbnail.hpp"

namespace {

using clip::PixelMode;
using clip::PngPixels;
using FileBytes = std::vector<std::uint8_t>;

std::string golden(const std::string& name) {
    return std::string(CLIP_TEST_DIR "/golden/pixels/") + name;
}

FileBytes noise(std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    FileBytes bytes(size);
    for (std::uint8_t& byte : bytes)
        byte = static_cast<std::uint8_t>(random());
    return bytes;
}

/// Slow waves of colour, which JPEG keeps well.
FileBytes waves(int width, int height) {
    FileBytes rgb;
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x)
            for (int c = 0; c < 3; ++c)
                rgb.push_back(static_cast<std::uint8_t>(127.5 + 100.0 * std::sin(x * 0.05 + c) *
                                                                    std::cos(y * 0.04 - c)));
    return rgb;
}

} // namespace

TEST_CASE("png_writer: what was written is read again") {
    for (const PngPixels pixels : {PngPixels::rgb, PngPixels::rgba})
        for (const auto& [width, height] : {std::pair{1, 1}, {3, 500}, {700, 2}, {257, 129}}) {
            const auto channels = static_cast<std::size_t>(pixels == PngPixels::rgb ? 3 : 4);
            const FileBytes rows = noise(static_cast<std::size_t>(width * height) * channels, 3);
            const FileBytes file = clip::encode_png(width, height, pixels, rows.data());
            const clip::Image image = clip::decode_image(file, {}).value();
            CHECK(image.width == width);
            CHECK(image.height == height);
            CHECK(image.mode == (channels == 3 ? PixelMode::rgb : PixelMode::rgba));
            REQUIRE(image.pixels.size() == rows.size());
            CHECK(std::equal(rows.begin(), rows.end(), image.pixels.data()));
        }
}

TEST_CASE("png_writer: a sink's error comes out, and rows are counted") {
    const FileBytes rows = noise(3 * 100, 4);
    const auto broken = [](std::span<const std::uint8_t>) {
        clip::fail(clip::ErrorCode::io_failure, "the disk is full");
    };
    CHECK_THROWS_WITH(clip::PngWriter(10, 10, PngPixels::rgb, broken), "the disk is full");
    clip::PngWriter writer(10, 10, PngPixels::rgb, [](auto) {});
    writer.write_rows(rows.data(), 9);
    CHECK_THROWS_AS(writer.finish(), clip::Error);
    CHECK_THROWS_AS(writer.write_rows(rows.data(), 2), clip::Error);
    writer.write_rows(rows.data(), 1);
    writer.finish();
    CHECK_THROWS_AS(clip::PngWriter(0, 1, PngPixels::rgb, [](auto) {}), clip::Error);
    CHECK_THROWS_AS(clip::PngWriter(1, 1000001, PngPixels::rgb, [](auto) {}), clip::Error);
}

TEST_CASE("jpeg_writer: what was written is nearly what is read") {
    for (const auto& [width, height] : {std::pair{1, 1}, {3, 50}, {320, 200}}) {
        const FileBytes rgb = waves(width, height);
        const FileBytes file = clip::encode_jpeg(width, height, rgb.data(), 90);
        const clip::Image image = clip::decode_image(file, {}).value();
        REQUIRE(image.mode == PixelMode::rgb);
        REQUIRE(image.pixels.size() == rgb.size());
        double worst = 0.0;
        for (std::size_t i = 0; i < rgb.size(); ++i)
            worst = std::max(worst, std::fabs(double{rgb[i] * 1.0} - image.pixels.data()[i]));
        CHECK(worst < 16.0);
        CHECK(clip::encode_jpeg(width, height, rgb.data(), 90) == file);
    }
    CHECK_THROWS_AS(clip::encode_jpeg(65501, 1, nullptr, 90), clip::Error);
}

TEST_CASE("image_decode: a JPEG that may be shrunk keeps its look and enough of its pixels") {
    const FileBytes rgb = waves(801, 399);
    const FileBytes file = clip::encode_jpeg(801, 399, rgb.data(), 95);
    struct Case {
        int shrink_to, shrink_shorter_to, width, height;
    };
    for (const Case& c : {Case{0, 0, 801, 399}, Case{801, 0, 801, 399}, Case{401, 0, 801, 399},
                          Case{400, 0, 401, 200}, Case{200, 0, 201, 100}, Case{1, 0, 101, 50},
                          Case{0, 200, 801, 399}, Case{0, 199, 401, 200}, Case{0, 1, 101, 50},
                          Case{400, 1, 401, 200}, Case{1, 199, 401, 200}}) {
        clip::DecodeOptions options;
        options.shrink_to = c.shrink_to;
        options.shrink_shorter_to = c.shrink_shorter_to;
        const clip::Image image = clip::decode_image(file, options).value();
        CHECK(image.width == c.width);
        CHECK(image.height == c.height);
        // The middle of a pixel, in the picture as it was.
        const int x = image.width / 3, y = image.height / 2;
        const auto middle = [](int at, int from, int to) {
            return static_cast<std::size_t>((at + 0.5) * from / to);
        };
        const std::size_t at =
            (middle(y, 399, image.height) * 801 + middle(x, 801, image.width)) * 3;
        for (std::size_t channel = 0; channel < 3; ++channel)
            CHECK(std::abs(image.row(y)[3 * x + static_cast<int>(channel)] - rgb[at + channel]) <
                  12);
    }
    clip::DecodeOptions options;
    options.shrink_to = 10;
    options.max_pixels = 801 * 399 - 1; // of the picture as it is stored
    CHECK_FALSE(clip::decode_image(file, options).ok());
}

TEST_CASE("thumbnail: the longer side is what was asked for, in every mode") {
    for (const char* name :
         {"rgb.jpg", "cmyk.jpg", "grey.png", "grey16.png", "grey16.pgm", "grey-alpha.png",
          "rgba.png", "palette.png", "palette.gif", "bilevel.png", "bilevel.pbm", "rgba.webp"}) {
        CAPTURE(name);
        const clip::Image image = clip::read_image(golden(name), {}).value();
        for (const int side : {1, 16, 500})
            for (const bool enlarge : {false, true}) {
                const auto thumbnail =
                    clip::read_thumbnail(golden(name), {side, enlarge, clip::Orientation::exif}, {})
                        .value();
                const int longer = std::max(image.width, image.height);
                CHECK(std::max(thumbnail.width, thumbnail.height) ==
                      (enlarge ? side : std::min(side, longer)));
                CHECK(thumbnail.pixels.size() ==
                      static_cast<std::size_t>(thumbnail.width * thumbnail.height) *
                          (thumbnail.alpha ? 4 : 3));
                if (image.mode != PixelMode::rgba && image.mode != PixelMode::grey_alpha)
                    CHECK_FALSE(thumbnail.alpha);
            }
    }
}

TEST_CASE("thumbnail: alpha is kept, and dropped where nothing is clear") {
    clip::Image image = clip::make_image(2, 2, PixelMode::rgba, "test");
    for (std::size_t i = 0; i < image.pixels.size(); ++i)
        image.pixels.data()[i] = i % 4 == 3 ? 255 : 40;
    CHECK_FALSE(clip::make_thumbnail(std::move(image), {4, true, {}}).alpha);
    image = clip::make_image(3, 1, PixelMode::grey_alpha, "test");
    const std::uint8_t bytes[] = {200, 255, 100, 128, 9, 0};
    std::copy(std::begin(bytes), std::end(bytes), image.pixels.data());
    const clip::Thumbnail thumbnail = clip::make_thumbnail(std::move(image), {3, false, {}});
    REQUIRE(thumbnail.alpha);
    CHECK(thumbnail.pixels == FileBytes{200, 200, 200, 255, 99, 99, 99, 128, 0, 0, 0, 0});
}

TEST_CASE("thumbnail: 16-bit grey is shown with the bits that it has") {
    for (const auto& [value, want] : {std::pair{0x8012, 0x80}, {200, 200}, {256, 1}}) {
        clip::Image image = clip::make_image(4, 4, PixelMode::grey16, "test");
        for (std::size_t i = 0; i < 16; ++i) {
            const auto sample = static_cast<std::uint16_t>(value);
            std::copy_n(reinterpret_cast<const std::uint8_t*>(&sample), 2,
                        image.pixels.data() + 2 * i);
        }
        const clip::Thumbnail thumbnail = clip::make_thumbnail(std::move(image), {4, false, {}});
        CHECK(int{thumbnail.pixels[7]} == want);
    }
}

TEST_CASE("thumbnail: a very long picture keeps a pixel") {
    clip::Image image = clip::make_image(10000, 1, PixelMode::grey, "test");
    std::fill_n(image.pixels.data(), 10000, std::uint8_t{77});
    const clip::Thumbnail thumbnail = clip::make_thumbnail(std::move(image), {224, false, {}});
    CHECK(thumbnail.width == 224);
    CHECK(thumbnail.height == 1);
    CHECK(int{thumbnail.pixels[300]} == 77);
}

TEST_CASE("thumbnail: what cannot be read is an error that is returned") {
    const auto gone = clip::read_thumbnail("/nonexistent.jpg", {}, {});
    REQUIRE_FALSE(gone.ok());
    CHECK(gone.error().code() == clip::ErrorCode::not_found);
    CHECK_FALSE(clip::read_thumbnail(golden("rgb.png.u8"), {}, {}).ok());
}

TEST_CASE("text_mask: folding keeps ASCII, takes accents off, spells out or gives a mark") {
    CHECK(clip::fold_to_ascii(U"plain ~!") == "plain ~!");
    CHECK(clip::fold_to_ascii(U"\u00c5ngstr\u00f6m \u1ec7 \ufb01 \u00bd") == "Angstrom e fi 1/2");
    CHECK(clip::fold_to_ascii(U"\u00e6\u00f8\u00df\u0142\u20ac\u2026\u2019\u2014") == "aeossl"
                                                                                      "EUR...'-");
    CHECK(clip::fold_to_ascii(U"\u732b\u0416\u03b1\U0001f600") == "????");
    CHECK(clip::fold_to_ascii(U"\u00a0\u3000") == "  ");
    CHECK(clip::fold_to_ascii(U"\u200d\u200e\ufe0f\u0301\u0007") == "");
}

TEST_CASE("text_mask: a longer text is wider, and the mask holds all of it") {
    const clip::RasterFont font{14.0, false};
    CHECK(clip::measure_text("wide text", font) > clip::measure_text("text", font));
    CHECK(clip::measure_text("text", {28.0, false}) ==
          doctest::Approx(2.0 * clip::measure_text("text", font)).epsilon(0.05));
    const clip::TextMask mask = clip::draw_text("|gjpqyAMW[]{}@_", font);
    long sum = 0, border = 0;
    for (int y = 0; y < mask.height; ++y)
        for (int x = 0; x < mask.width; ++x) {
            const int value = mask.coverage[static_cast<std::size_t>(y * mask.width + x)];
            sum += value;
            if (y == 0 || x == 0 || y == mask.height - 1 || x == mask.width - 1)
                border += value;
        }
    CHECK(sum > 255 * 100);
    CHECK(border == 0);
    CHECK(clip::draw_text("", font).coverage.size() > 0);
}

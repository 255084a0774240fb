// SPDX-License-Identifier: MIT
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <sys/stat.h>
#include <vector>

#include <doctest/doctest.h>
#include <zlib.h>

#include "data/image_decode.hpp"
#include "data/image_exif.hpp"
#include "data/preprocess.hpp"

namespace {

using clip::ErrorCode;
using clip::PixelMode;
using FileBytes = std::vector<std::uint8_t>;

std::string golden(const std::string& name) {
    return std::string(CLIP_TEST_DIR "/golden/pixels/") + name;
}

FileBytes read_bytes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    REQUIRE(in.good());
    return {std::istreambuf_iterator<char>(in), {}};
}

FileBytes bytes_of(const std::string& text) {
    return {text.begin(), text.end()};
}

/// The error that decoding gives; fails the test where there is none.
clip::Error error_of(const FileBytes& bytes, const clip::DecodeOptions& options = {}) {
    const auto image = clip::decode_image(bytes, options);
    REQUIRE_FALSE(image.ok());
    return image.error();
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

void put_big(FileBytes& bytes, std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i)
        bytes[at + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

} // namespace

TEST_CASE("image_decode: keeps the mode that each file has") {
    struct Case {
        const char* name;
        PixelMode mode;
        int width, height;
        const char* format;
    };
    for (const Case& c : {Case{"rgb.png", PixelMode::rgb, 45, 37, "PNG"},
                          Case{"grey.png", PixelMode::grey, 37, 50, "PNG"},
                          Case{"palette.png", PixelMode::palette, 41, 33, "PNG"},
                          Case{"rgba.png", PixelMode::rgba, 40, 31, "PNG"},
                          Case{"grey-alpha.png", PixelMode::grey_alpha, 31, 44, "PNG"},
                          Case{"bilevel.png", PixelMode::bilevel, 61, 40, "PNG"},
                          Case{"grey16.png", PixelMode::grey16, 40, 33, "PNG"},
                          Case{"rgb.jpg", PixelMode::rgb, 70, 49, "JPEG"},
                          Case{"grey.jpg", PixelMode::grey, 50, 33, "JPEG"},
                          Case{"cmyk.jpg", PixelMode::cmyk, 33, 40, "JPEG"},
                          Case{"palette.gif", PixelMode::palette, 41, 33, "GIF"},
                          Case{"grey.gif", PixelMode::grey, 33, 41, "GIF"},
                          Case{"palette.bmp", PixelMode::palette, 26, 30, "BMP"},
                          Case{"grey.bmp", PixelMode::grey, 27, 30, "BMP"},
                          Case{"grey16.pgm", PixelMode::grey16, 27, 29, "PNM"},
                          Case{"bilevel.pbm", PixelMode::bilevel, 50, 40, "PNM"},
                          Case{"rgba.tif", PixelMode::rgba, 31, 27, "TIFF"},
                          Case{"rgba.webp", PixelMode::rgba, 31, 27, "WebP"},
                          Case{"rgb.jp2", PixelMode::rgb, 33, 31, "JPEG 2000"}}) {
        CAPTURE(std::string(c.name));
        const auto image = clip::read_image(golden(c.name), {});
        if (!image)
            FAIL(image.error().what());
        CHECK(image.value().mode == c.mode);
        CHECK(image.value().width == c.width);
        CHECK(image.value().height == c.height);
        CHECK(image.value().format == c.format);
        CHECK(image.value().orientation == 1);
    }
}

TEST_CASE("image_decode: reads the orientation of JPEG and PNG") {
    for (int orientation = 2; orientation <= 8; ++orientation) {
        const auto name = "turned-" + std::to_string(orientation) + ".jpg";
        CHECK(clip::read_image(golden(name), {}).value().orientation == orientation);
    }
    CHECK(clip::read_image(golden("turned-6.png"), {}).value().orientation == 6);
}

TEST_CASE("image_decode: an orientation that makes no sense is 1") {
    auto exif =
        bytes_of(std::string("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0", 22));
    CHECK(clip::exif_orientation(exif) == 6);
    auto with_name = bytes_of(std::string("Exif\0\0", 6));
    with_name.insert(with_name.end(), exif.begin(), exif.end());
    CHECK(clip::exif_orientation(with_name) == 6);
    exif[19] = 9;
    CHECK(clip::exif_orientation(exif) == 1);
    exif[19] = 0;
    CHECK(clip::exif_orientation(exif) == 1);
    exif[19] = 6;
    put_big(exif, 4, 0xFFFFFFF0);
    CHECK(clip::exif_orientation(exif) == 1);
    for (std::size_t length = 0; length < exif.size(); ++length)
        CHECK(clip::exif_orientation({exif.data(), length}) == 1);
}

TEST_CASE("image_decode: every prefix of a picture is an error or a picture") {
    for (const char* name : {"rgb.jpg", "progressive.jpg", "palette.png", "grey16.png",
                             "palette.gif", "rgb.ppm", "bilevel.pbm"}) {
        const FileBytes whole = read_bytes(golden(name));
        CAPTURE(std::string(name));
        std::size_t refused = 0;
        for (std::size_t length = 0; length < whole.size(); ++length) {
            // A copy of just that size, so that a sanitizer sees a read past its end.
            const FileBytes prefix(whole.begin(), whole.begin() + static_cast<long>(length));
            refused += clip::decode_image(prefix, {}).ok() ? 0 : 1;
        }
        // Only marks at the end may be missing.
        CHECK(refused + 32 >= whole.size());
        CHECK(clip::decode_image(whole, {}).ok());
    }
}

TEST_CASE("image_decode: prefixes that go to OpenCV do no harm either") {
    for (const char* name : {"palette.bmp", "rgba.tif", "rgba.webp", "animated.webp", "rgb.jp2"}) {
        const FileBytes whole = read_bytes(golden(name));
        CAPTURE(std::string(name));
        for (std::size_t length = 0; length < whole.size(); length += 7) {
            const FileBytes prefix(whole.begin(), whole.begin() + static_cast<long>(length));
            const auto image = clip::decode_image(prefix, {});
            if (length < 40)
                CHECK_FALSE(image.ok());
        }
    }
}

TEST_CASE("image_decode: changed bytes are an error or a picture") {
    for (const char* name : {"rgb.jpg", "cmyk.jpg", "palette.png", "rgba.png", "palette.gif",
                             "grey16.pgm", "palette.bmp", "turned-5.jpg"}) {
        const FileBytes whole = read_bytes(golden(name));
        CAPTURE(std::string(name));
        clip::DecodeOptions options;
        options.max_pixels = 1 << 20;
        clip::PreprocessOptions prepare;
        prepare.size = 8;
        const std::size_t step = whole.size() / 600 + 1;
        for (std::size_t at = 0; at < whole.size(); at += step) {
            FileBytes changed = whole;
            changed[at] ^= static_cast<std::uint8_t>(at % 3 == 0 ? 0xFF : 1 << at % 8);
            const auto image = clip::decode_image(changed, options);
            if (image)
                CHECK(clip::preprocess_u8(image.value(), prepare).size() == 8 * 8 * 3);
        }
    }
}

TEST_CASE("image_decode: says where a picture is cut off") {
    FileBytes jpeg = read_bytes(golden("rgb.jpg"));
    jpeg.resize(jpeg.size() - 300);
    CHECK(error_of(jpeg).code() == ErrorCode::truncated);
    CHECK(contains(error_of(jpeg).what(), "the picture is cut off (JPEG, row "));
    FileBytes png = read_bytes(golden("rgb.png"));
    png.resize(png.size() / 2);
    CHECK(error_of(png).code() == ErrorCode::truncated);
    CHECK(contains(error_of(png).what(), "the picture is cut off (PNG, row "));
    FileBytes gif = read_bytes(golden("palette.gif"));
    gif.resize(gif.size() - 60);
    CHECK(error_of(gif).code() == ErrorCode::truncated);
    FileBytes ppm = read_bytes(golden("rgb.ppm"));
    ppm.pop_back();
    CHECK(error_of(ppm).code() == ErrorCode::truncated);
}

TEST_CASE("image_decode: is as lenient as Pillow about what follows the pixels") {
    FileBytes jpeg = read_bytes(golden("rgb.jpg"));
    jpeg.resize(jpeg.size() - 2); // without the end mark: refused there, too
    CHECK_FALSE(clip::decode_image(jpeg, {}).ok());
    FileBytes png = read_bytes(golden("rgb.png"));
    png.resize(png.size() - 12); // without IEND
    CHECK(clip::decode_image(png, {}).ok());
    png[png.size() - 1] ^= 0x55; // the checksum of the last IDAT
    CHECK(clip::decode_image(png, {}).ok());
}

TEST_CASE("image_decode: refuses a decompression bomb before it takes memory") {
    FileBytes png = read_bytes(golden("rgb.png"));
    put_big(png, 16, 20990);
    put_big(png, 20, 29700);
    const clip::Error error = error_of(png);
    CHECK(error.code() == ErrorCode::invalid_argument);
    CHECK(contains(error.what(), "20990 x 29700 is 623403000 pixels"));
    CHECK(contains(error.what(), "the limit is 178956970"));
    CHECK(contains(error.what(), "--max-pixels"));
    clip::DecodeOptions small;
    small.max_pixels = 100;
    for (const char* name :
         {"rgb.jpg", "palette.gif", "rgb.bmp", "rgb.ppm", "rgba.tif", "rgba.webp", "rgb.jp2"}) {
        CAPTURE(std::string(name));
        CHECK(error_of(read_bytes(golden(name)), small).code() == ErrorCode::invalid_argument);
    }
    small.max_pixels = 45 * 37;
    CHECK(clip::read_image(golden("rgb.png"), small).ok());
}

TEST_CASE("image_decode: keeps the alpha of a palette, which preprocess does not look at") {
    const FileBytes plain = read_bytes(golden("palette.png"));
    CHECK(clip::decode_image(plain, {}).value().palette_alpha.empty());
    const std::string text(plain.begin(), plain.end());
    FileBytes chunk = bytes_of(std::string("\0\0\0\3tRNS\xff\0\x7f\0\0\0\0", 15));
    put_big(chunk, 11, static_cast<std::uint32_t>(crc32(0, chunk.data() + 4, 7)));
    FileBytes png = plain;
    png.insert(png.begin() + static_cast<std::ptrdiff_t>(text.find("IDAT") - 4), chunk.begin(),
               chunk.end());
    const auto image = clip::decode_image(png, {});
    REQUIRE(image.ok());
    CHECK(image.value().palette_alpha == FileBytes{255, 0, 127});
    clip::PreprocessOptions options;
    options.size = 20;
    CHECK(clip::preprocess_u8(image.value(), options) ==
          clip::preprocess_u8(clip::decode_image(plain, {}).value(), options));

    // One pixel: a palette of two colours, the second of which is transparent.
    const auto gif = clip::decode_image(
        bytes_of(std::string("GIF89a\1\0\1\0\x80\0\0\1\2\3\4\5\6!\xf9\4\1\0\0\1\0,\0\0\0\0"
                             "\1\0\1\0\0\2\2L\1\0;",
                             43)),
        {});
    REQUIRE(gif.ok());
    CHECK(gif.value().mode == PixelMode::palette);
    CHECK(gif.value().palette_alpha == FileBytes{255, 0});
}

TEST_CASE("image_decode: refuses sides of zero and beyond reason") {
    FileBytes png = read_bytes(golden("rgb.png"));
    put_big(png, 16, 0);
    CHECK(error_of(png).code() == ErrorCode::bad_format);
    clip::DecodeOptions no_limit;
    no_limit.max_pixels = 0;
    put_big(png, 16, 0x7FFFFFFF);
    put_big(png, 20, 0x7FFFFFFF);
    CHECK_FALSE(clip::decode_image(png, no_limit).ok());
    CHECK(error_of(bytes_of("P6\n0 5\n255\n")).code() == ErrorCode::bad_format);
    CHECK_FALSE(clip::decode_image(bytes_of("P6\n99999999999 5\n255\n"), {}).ok());
    CHECK_FALSE(clip::decode_image(bytes_of("P5\n2 2\n70000\nabcd"), {}).ok());
    CHECK_FALSE(clip::decode_image(bytes_of(std::string("GIF89a\0\0\0\0\0\0\0;", 14)), {}).ok());
}

TEST_CASE("image_decode: names what is not a picture") {
    const auto message = [](const std::string& text) {
        return std::string(error_of(bytes_of(text)).what());
    };
    CHECK(contains(message(""), "it is empty"));
    CHECK(contains(message("dear diary\n"), "it is text"));
    CHECK(contains(message("<!DOCTYPE html><html></html>"), "it is HTML"));
    CHECK(contains(message("<svg xmlns='x'/>"), "it is SVG"));
    CHECK(contains(message("%PDF-1.4"), "it is a PDF"));
    CHECK(contains(message(std::string(64, '\0')), "zeros"));
    CHECK(contains(message(std::string("\0\0\0\x18"
                                       "ftypavif....",
                                       16)),
                   "it is AVIF"));
    CHECK(contains(message("\x7F"
                           "ELF\x01"),
                   "not known"));
    CHECK(contains(message("dear diary\n"), "not a picture this build can read"));
}

TEST_CASE("image_decode: goes by the bytes and not by the name") {
    const auto path = std::filesystem::temp_directory_path() / "clip-image-decode-snake.tiff";
    std::filesystem::copy_file(golden("rgb.jpg"), path,
                               std::filesystem::copy_options::overwrite_existing);
    CHECK(clip::read_image(path.string(), {}).value().format == "JPEG");
    std::filesystem::remove(path);
}

TEST_CASE("image_decode: a path that cannot be read is an error of its own kind") {
    const auto code = [](const std::string& path) {
        const auto image = clip::read_image(path, {});
        REQUIRE_FALSE(image.ok());
        return image.error().code();
    };
    const auto folder = std::filesystem::temp_directory_path() / "clip-image-decode-test";
    std::filesystem::create_directories(folder);
    CHECK(code((folder / "absent.png").string()) == ErrorCode::not_found);
    CHECK(code(folder.string()) == ErrorCode::invalid_argument);
    CHECK(code(std::string("a\0b.png", 7)) == ErrorCode::invalid_argument);
    const auto empty = folder / "empty\n\xFF.png"; // any byte is legal in a name
    std::ofstream(empty).close();
    CHECK(code(empty.string()) == ErrorCode::bad_format);
    const auto pipe = folder / "pipe.png";
    std::filesystem::remove(pipe);
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    CHECK(code(pipe.string()) == ErrorCode::invalid_argument);
    std::filesystem::remove_all(folder);
}

TEST_CASE("image_decode: says so where the plugin is missing") {
    clip::DecodeOptions options;
    options.plugin_path = "/nonexistent/libclip_opencv.so";
    const clip::Error error = error_of(read_bytes(golden("rgb.bmp")), options);
    CHECK(error.code() == ErrorCode::unsupported);
    CHECK(contains(error.what(), "OpenCV plugin"));
    options.plugin_path = golden("rgb.bmp"); // there, but not a library
    CHECK(error_of(read_bytes(golden("rgb.bmp")), options).code() == ErrorCode::unsupported);
    CHECK(clip::read_image(golden("rgb.png"), options).ok());
}

TEST_CASE("image_decode: tells pictures by their names for walks through folders") {
    CHECK(clip::looks_like_picture("a.jpg"));
    CHECK(clip::looks_like_picture("x/y.JPEG"));
    CHECK(clip::looks_like_picture("a.b.WebP"));
    CHECK(clip::looks_like_picture("p.jp2"));
    CHECK_FALSE(clip::looks_like_picture("a.txt"));
    CHECK_FALSE(clip::looks_like_picture("jpg"));
    CHECK_FALSE(clip::looks_like_picture(".jpg"));
    CHECK_FALSE(clip::looks_like_picture("a.jpg.part"));
}

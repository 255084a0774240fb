// SPDX-License-Identifier: MIT
// PNG by libpng, as Pillow sees it: palettes stay indices, transparency that is not a channel is
// ignored, colours of 16 bits lose their lower byte, grey of 16 bits keeps it.
#include <algorithm>
#include <bit>
#include <csetjmp>
#include <cstring>

#include <png.h>

#include "base/concat.hpp"
#include "data/image_codecs.hpp"
#include "data/image_exif.hpp"

namespace clip {

namespace {

/// libpng's state. The functions that may be left by longjmp hold nothing that has a destructor.
struct PngReader {
    png_structp png = nullptr;
    png_infop info = nullptr;
    Bytes bytes;
    std::size_t at = 0;
    bool cut_off = false;
    int rows_done = 0; // of the last pass
    char message[128] = {};

    explicit PngReader(Bytes data);
    ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
    PngReader(const PngReader&) = delete;
    PngReader& operator=(const PngReader&) = delete;

    bool read_header();
    bool read_rows(std::uint8_t* pixels, std::size_t row_bytes, bool strip_16, bool swap_16);
    [[noreturn]] void fail_read(const std::string& where) const;
};

void on_error(png_structp png, png_const_charp message) {
    auto* reader = static_cast<PngReader*>(png_get_error_ptr(png));
    std::strncpy(reader->message, message, sizeof reader->message - 1);
    png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep to, std::size_t count) {
    auto* reader = static_cast<PngReader*>(png_get_io_ptr(png));
    if (reader->bytes.size() - reader->at < count) {
        reader->cut_off = true;
        png_error(png, "cut off");
    }
    std::memcpy(to, reader->bytes.data() + reader->at, count);
    reader->at += count;
}

PngReader::PngReader(Bytes data) : bytes(data) {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png != nullptr)
        info = png_create_info_struct(png);
    if (info == nullptr) {
        png_destroy_read_struct(&png, nullptr, nullptr);
        fail(ErrorCode::out_of_memory, "decode picture: no memory for libpng");
    }
}

bool PngReader::read_header() {
    if (setjmp(png_jmpbuf(png)) != 0)
        return false;
    png_set_read_fn(png, this, on_read);
    // The limit in pixels is ours; libpng's own would refuse what --max-pixels allows.
    png_set_user_limits(png, 0x7FFFFFFF, 0x7FFFFFFF);
    // Wrong checksums of the pixels are passed over, as Pillow does: zlib has its own.
    png_set_crc_action(png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
    png_set_benign_errors(png, 1);
    png_read_info(png, info);
    return true;
}

bool PngReader::read_rows(std::uint8_t* pixels, std::size_t row_bytes, bool strip_16,
                          bool swap_16) {
    if (setjmp(png_jmpbuf(png)) != 0)
        return false;
    if (strip_16)
        png_set_strip_16(png);
    if (swap_16)
        png_set_swap(png);
    png_set_packing(png);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (png_get_rowbytes(png, info) != row_bytes)
        png_error(png, "rows of an unexpected size");
    const auto height = static_cast<int>(png_get_image_height(png, info));
    for (int pass = 0; pass < passes; ++pass)
        for (rows_done = 0; rows_done < height; ++rows_done)
            png_read_row(png, pixels + static_cast<std::size_t>(rows_done) * row_bytes, nullptr);
    return true;
}

void PngReader::fail_read(const std::string& where) const {
    if (cut_off)
        fail_cut_off(PictureFormat::png, where);
    fail_picture(PictureFormat::png, message);
}

PixelMode mode_of(int depth, int colour) {
    switch (colour) {
    case PNG_COLOR_TYPE_GRAY:
        return depth == 16 ? PixelMode::grey16 : depth == 1 ? PixelMode::bilevel : PixelMode::grey;
    case PNG_COLOR_TYPE_GRAY_ALPHA:
        return PixelMode::grey_alpha;
    case PNG_COLOR_TYPE_PALETTE:
        return PixelMode::palette;
    case PNG_COLOR_TYPE_RGB:
        return PixelMode::rgb;
    default:
        return PixelMode::rgba;
    }
}

/// Entries that the file does not set are Pillow's: a ramp of grey.
Palette palette_of(png_structp png, png_infop info) {
    Palette palette;
    for (std::size_t i = 0; i < palette.size(); ++i)
        palette[i].fill(static_cast<std::uint8_t>(i));
    png_colorp colours = nullptr;
    int count = 0;
    if (png_get_PLTE(png, info, &colours, &count) != 0)
        for (int i = 0; i < count && i < 256; ++i)
            palette[static_cast<std::size_t>(i)] = {colours[i].red, colours[i].green,
                                                    colours[i].blue};
    return palette;
}

/// What tRNS says of the palette's first colours.
std::vector<std::uint8_t> palette_alpha_of(png_structp png, png_infop info) {
    png_bytep alpha = nullptr;
    int count = 0;
    if (png_get_tRNS(png, info, &alpha, &count, nullptr) == 0 || alpha == nullptr)
        return {};
    return {alpha, alpha + std::clamp(count, 0, 256)};
}

int orientation_of(png_structp png, png_infop info) {
    png_bytep exif = nullptr;
    png_uint_32 size = 0;
    if (png_get_eXIf_1(png, info, &size, &exif) == 0 || exif == nullptr)
        return 1;
    return exif_orientation({exif, size});
}

/// Grey of 1, 2 or 4 bits to the full range of a byte.
void scale_grey(Image& image, int depth) {
    const int factor = depth == 1 ? 255 : depth == 2 ? 85 : depth == 4 ? 17 : 1;
    if (factor == 1)
        return;
    for (std::size_t i = 0; i < image.pixels.size(); ++i)
        image.pixels.data()[i] = static_cast<std::uint8_t>(image.pixels.data()[i] * factor);
}

} // namespace

Image decode_png(Bytes bytes, const DecodeOptions& options) {
    PngReader reader(bytes);
    if (!reader.read_header())
        reader.fail_read("in its header");
    const std::int64_t width = png_get_image_width(reader.png, reader.info);
    const std::int64_t height = png_get_image_height(reader.png, reader.info);
    check_picture_size(width, height, options);
    const int depth = png_get_bit_depth(reader.png, reader.info);
    const PixelMode mode = mode_of(depth, png_get_color_type(reader.png, reader.info));
    Image image = make_image(static_cast<int>(width), static_cast<int>(height), mode, "PNG");
    image.orientation = orientation_of(reader.png, reader.info);
    if (mode == PixelMode::palette) {
        image.palette = palette_of(reader.png, reader.info);
        image.palette_alpha = palette_alpha_of(reader.png, reader.info);
    }
    const bool wide = mode == PixelMode::grey16;
    const bool swap = wide && std::endian::native == std::endian::little;
    if (!reader.read_rows(image.pixels.data(), image.row_bytes(), depth == 16 && !wide, swap))
        reader.fail_read(concat("row ", reader.rows_done, " of ", height));
    if (mode == PixelMode::grey || mode == PixelMode::bilevel)
        scale_grey(image, depth);
    return image;
}

} // namespace clip

// SPDX-License-Identifier: MIT
#include "data/thumbnail.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <utility>

#include "data/image_rows.hpp"
#include "data/pixel_rgb.hpp"
#include "data/resize.hpp"

namespace clip {

namespace {

/// 16-bit grey as 8 bits: the upper ones, or the lower ones where no sample has others.
Image narrow_grey(const Image& image) {
    const std::uint8_t* samples = image.pixels.data();
    const auto value = [samples](std::size_t i) {
        std::uint16_t sample = 0;
        std::memcpy(&sample, samples + 2 * i, 2);
        return sample;
    };
    Image grey = upper_bytes(image);
    const std::size_t count = grey.pixels.size();
    for (std::size_t i = 0; i < count; ++i)
        if (value(i) > 255)
            return grey;
    for (std::size_t i = 0; i < count; ++i)
        grey.pixels.data()[i] = static_cast<std::uint8_t>(value(i));
    return grey;
}

/// A mode whose samples can be averaged.
Image smooth_mode(Image image) {
    if (image.mode == PixelMode::grey16)
        return narrow_grey(image);
    if (image.mode == PixelMode::bilevel) // its bytes are those of grey
        image.mode = PixelMode::grey;
    if (image.mode != PixelMode::palette)
        return image;
    Image rgb = make_image(image.width, image.height, PixelMode::rgb, image.format);
    rgb.orientation = image.orientation;
    const ToRgb to_rgb(image);
    for (std::size_t i = 0; i < image.pixels.size(); ++i)
        to_rgb(rgb.pixels.data() + 3 * i, image.pixels.data() + i);
    return rgb;
}

Thumbnail shrink(const Image& image, const ThumbnailOptions& options) {
    OrientedRows rows(image, options.orientation == Orientation::exif ? image.orientation : 1);
    const int longer = std::max(rows.width(), rows.height());
    const int to = options.enlarge ? options.side : std::min(options.side, longer);
    const auto scaled = [&](int side) {
        return std::max(1, static_cast<int>(std::lround(static_cast<double>(side) * to / longer)));
    };
    Thumbnail out;
    out.width = scaled(rows.width());
    out.height = scaled(rows.height());
    const std::size_t channels = pixel_size(image.mode);
    const bool alpha = image.mode == PixelMode::rgba || image.mode == PixelMode::grey_alpha;
    const std::vector<std::uint8_t> pixels = resize_bytes(
        rows, static_cast<int>(channels), alpha,
        {{rows.width(), out.width, 0, out.width}, {rows.height(), out.height, 0, out.height}});
    const std::size_t count = pixels.size() / channels;
    for (std::size_t i = 0; alpha && i < count && !out.alpha; ++i)
        out.alpha = pixels[(i + 1) * channels - 1] != 255;
    const std::size_t kept = out.alpha ? 4 : 3;
    out.pixels.resize(count * kept);
    const ToRgb to_rgb(image);
    for (std::size_t i = 0; i < count; ++i) {
        to_rgb(out.pixels.data() + i * kept, pixels.data() + i * channels);
        if (out.alpha)
            out.pixels[i * kept + 3] = pixels[(i + 1) * channels - 1];
    }
    return out;
}

} // namespace

Thumbnail make_thumbnail(Image image, const ThumbnailOptions& options) {
    if (options.side < 1)
        fail(ErrorCode::invalid_argument, "make thumbnail: its side is under 1");
    try {
        return shrink(smooth_mode(std::move(image)), options);
    } catch (const std::bad_alloc&) {
        fail(ErrorCode::out_of_memory, "make thumbnail: no memory");
    }
}

Result<Thumbnail> read_thumbnail(const std::string& path, const ThumbnailOptions& options,
                                 DecodeOptions decode) {
    // libjpeg's own shrinking averages squares; the last halving is left to the better filter.
    decode.shrink_to = 2 * options.side;
    try {
        return make_thumbnail(read_image(path, decode).value(), options);
    } catch (const Error& error) {
        return error;
    }
}

} // namespace clip

// SPDX-License-Identifier: MIT
// The formats that OpenCV reads, by the plugin that links it.
#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include "base/concat.hpp"
#include "data/image_codecs.hpp"
#include "data/image_webp.hpp"
#include "data/opencv_library.hpp"

namespace clip {

namespace {

/// What the plugin decodes into.
struct Decoded {
    int width = 0, height = 0, channels = 0, bits = 0;
    PixelBuffer samples;
};

void* allocate_samples(void* context, int width, int height, int channels, int bits) {
    auto& decoded = *static_cast<Decoded*>(context);
    if (width < 1 || height < 1 || channels < 1 || channels > 4)
        return nullptr;
    try {
        decoded.samples =
            PixelBuffer(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) *
                        static_cast<std::size_t>(channels * bits / 8));
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
    decoded.width = width;
    decoded.height = height;
    decoded.channels = channels;
    decoded.bits = bits;
    return decoded.samples.data();
}

std::uint16_t sample16(const PixelBuffer& samples, std::size_t i) {
    std::uint16_t value = 0;
    std::memcpy(&value, samples.data() + 2 * i, 2);
    return value;
}

/// Colours of 16 bits lose their lower byte, as in Pillow; grey keeps it.
void narrow_to_bytes(Decoded& decoded) {
    const std::size_t count = decoded.samples.size() / 2;
    PixelBuffer bytes(count);
    for (std::size_t i = 0; i < count; ++i)
        bytes.data()[i] = static_cast<std::uint8_t>(sample16(decoded.samples, i) >> 8);
    decoded.samples = std::move(bytes);
    decoded.bits = 8;
}

/// Keeps the first `to` of `from` channels.
void drop_channels(Decoded& decoded, int to) {
    const auto from = static_cast<std::size_t>(decoded.channels);
    const std::size_t count = decoded.samples.size() / from;
    PixelBuffer kept(count * static_cast<std::size_t>(to));
    for (std::size_t i = 0; i < count; ++i)
        std::memcpy(kept.data() + i * static_cast<std::size_t>(to),
                    decoded.samples.data() + i * from, static_cast<std::size_t>(to));
    decoded.samples = std::move(kept);
    decoded.channels = to;
}

/// Colours as they were before they were multiplied by alpha, in Pillow's rounding.
void divide_by_alpha(PixelBuffer& samples) {
    for (std::uint8_t* pixel = samples.data(); pixel < samples.data() + samples.size(); pixel += 4)
        for (int c = 0; c < 3; ++c)
            pixel[c] = pixel[3] == 0
                           ? std::uint8_t{0}
                           : static_cast<std::uint8_t>(std::min(255 * pixel[c] / pixel[3], 255));
}

/// libtiff multiplies colours by an alpha that is told to be separate, which loses bits, and leaves
/// one alone that is told to be in them already: so the file is told to be of the second kind.
std::vector<std::uint8_t> call_alpha_premultiplied(Bytes bytes, std::size_t at) {
    std::vector<std::uint8_t> changed(bytes.begin(), bytes.end());
    const bool big_endian = changed[0] == 'M';
    changed[at] = big_endian ? 0 : 1;
    changed[at + 1] = big_endian ? 1 : 0;
    return changed;
}

/// Colours that were indices in the file become indices again: OpenCV has looked them up, but such
/// pictures are resized by nearest. Null where there are over 256 of them.
std::optional<Image> index_colours(const Decoded& decoded, const std::string& format) {
    Image image = make_image(decoded.width, decoded.height, PixelMode::palette, format);
    std::map<std::uint32_t, std::uint8_t> indices;
    std::uint32_t last = 0xFFFFFFFF;
    std::uint8_t index = 0;
    for (std::size_t i = 0; i < image.pixels.size(); ++i) {
        const std::uint8_t* rgb =
            decoded.samples.data() + i * static_cast<std::size_t>(decoded.channels);
        const bool grey = decoded.channels < 3;
        const std::uint8_t g = grey ? rgb[0] : rgb[1], b = grey ? rgb[0] : rgb[2];
        const std::uint32_t colour = std::uint32_t{rgb[0]} << 16 | std::uint32_t{g} << 8 | b;
        if (colour != last) {
            const auto next = static_cast<std::uint8_t>(indices.size());
            if (indices.size() == 256 && !indices.contains(colour))
                return std::nullopt;
            index = indices.try_emplace(colour, next).first->second;
            image.palette[index] = {rgb[0], g, b};
            last = colour;
        }
        image.pixels.data()[i] = index;
    }
    return image;
}

PixelMode mode_of(const Decoded& decoded, bool bilevel) {
    switch (decoded.channels) {
    case 1:
        return decoded.bits == 16 ? PixelMode::grey16
               : bilevel          ? PixelMode::bilevel
                                  : PixelMode::grey;
    case 2:
        return PixelMode::grey_alpha;
    case 3:
        return PixelMode::rgb;
    default:
        return PixelMode::rgba;
    }
}

Image decode_still(PictureFormat format, const PictureHeader& header, Bytes bytes,
                   const DecodeOptions& options) {
    const clip_opencv_decode_function decode =
        opencv_library(options.plugin_path, "this picture").decode;
    Decoded decoded;
    char message[256] = {};
    std::vector<std::uint8_t> changed;
    if (header.fourth == FourthChannel::alpha && header.fourth_at != 0) {
        changed = call_alpha_premultiplied(bytes, header.fourth_at);
        bytes = changed;
    }
    if (decode(CLIP_OPENCV_VERSION, bytes.data(), bytes.size(), allocate_samples, &decoded, message,
               sizeof message) != 0)
        fail_picture(format, message);
    if (decoded.bits == 16 && decoded.channels > 1)
        narrow_to_bytes(decoded);
    if (decoded.channels == 4 && header.fourth == FourthChannel::unused)
        drop_channels(decoded, 3);
    if (decoded.channels == 4 && header.fourth == FourthChannel::premultiplied_alpha)
        divide_by_alpha(decoded.samples);
    const std::string name = picture_format_name(format);
    if (header.indexed)
        if (std::optional<Image> image = index_colours(decoded, name)) {
            image->orientation = header.orientation;
            return std::move(*image);
        }
    Image image;
    image.width = decoded.width;
    image.height = decoded.height;
    image.mode = mode_of(decoded, header.bilevel);
    image.pixels = std::move(decoded.samples);
    image.orientation = header.orientation;
    image.format = name;
    return image;
}

/// Puts a frame in its place in the picture; what it leaves free is transparent, or black.
Image place_frame(Image frame, const WebpFrame& place, const PictureHeader& header) {
    if (frame.mode != PixelMode::rgb && frame.mode != PixelMode::rgba)
        fail_picture(PictureFormat::webp, "a frame that is not in colour");
    if (frame.width == header.width && frame.height == header.height)
        return frame;
    if (place.left + std::int64_t{frame.width} > header.width ||
        place.top + std::int64_t{frame.height} > header.height)
        fail_picture(PictureFormat::webp, "its first frame sticks out");
    Image image = make_image(static_cast<int>(header.width), static_cast<int>(header.height),
                             place.alpha ? PixelMode::rgba : PixelMode::rgb, frame.format);
    std::memset(image.pixels.data(), 0, image.pixels.size());
    const std::size_t from_size = pixel_size(frame.mode), to_size = pixel_size(image.mode);
    for (int y = 0; y < frame.height; ++y) {
        const std::uint8_t* from = frame.row(y);
        std::uint8_t* to =
            image.row(place.top + y) + static_cast<std::size_t>(place.left) * to_size;
        for (int x = 0; x < frame.width; ++x, from += from_size, to += to_size) {
            std::memcpy(to, from, 3);
            if (to_size == 4)
                to[3] = from_size == 4 ? from[3] : std::uint8_t{255};
        }
    }
    return image;
}

} // namespace

Image decode_by_opencv(PictureFormat format, Bytes bytes, const DecodeOptions& options) {
    const PictureHeader header = sniff_header(format, bytes);
    check_picture_size(header.width, header.height, options);
    if (format == PictureFormat::webp)
        if (const std::optional<WebpFrame> frame = first_webp_frame(bytes)) {
            check_picture_size(frame->width, frame->height, options);
            Image image =
                place_frame(decode_still(format, header, frame->file, options), *frame, header);
            image.orientation = header.orientation;
            return image;
        }
    return decode_still(format, header, bytes, options);
}

} // namespace clip

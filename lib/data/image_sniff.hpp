// SPDX-License-Identifier: MIT
// What a file is and how large its picture says it is, from its first bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace clip {

enum class PictureFormat : std::uint8_t {
    unknown,
    jpeg,
    png,
    gif,
    webp,
    bmp,
    tiff,
    pnm,
    jpeg2000,
};

/// "JPEG", "PNG", ...
const char* picture_format_name(PictureFormat format);

/// The format by its signature.
PictureFormat sniff_format(std::span<const std::uint8_t> bytes);

/// For bytes of unknown format: what they seem to be ("a PDF", "text", ...), for messages.
std::string describe_unknown(std::span<const std::uint8_t> bytes);

/// What the header of a picture says that OpenCV does not tell.
struct PictureHeader {
    std::int64_t width = 0;
    std::int64_t height = 0;
    int orientation = 1;  ///< EXIF; 1 where the decoder has turned the picture already
    bool indexed = false; ///< its pixels are indices into colours
    bool bilevel = false; ///< it has one bit a pixel, black or white
    bool opaque = false;  ///< a fourth channel of it is not alpha
    int maximum = 0;      ///< the value of white of a PNM; 0 elsewhere
};

/// Reads the header of a WebP, BMP, TIFF, PNM or JPEG 2000 file.
/// Errors: truncated, bad_format (no width and height that make sense).
PictureHeader sniff_header(PictureFormat format, std::span<const std::uint8_t> bytes);

} // namespace clip

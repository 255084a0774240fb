// SPDX-License-Identifier: MIT
// What a file is and how large its picture says it is, from its first bytes.
#pragma once

#include <cstddef>
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

/// What the fourth of four channels is.
enum class FourthChannel : std::uint8_t { alpha, premultiplied_alpha, unused };

/// What the header of a picture says that OpenCV does not tell.
struct PictureHeader {
    std::int64_t width = 0;
    std::int64_t height = 0;
    int orientation = 1;  ///< EXIF; 1 where the decoder has turned the picture already
    bool indexed = false; ///< its pixels are indices into colours
    bool bilevel = false; ///< it has one bit a pixel, black or white
    FourthChannel fourth = FourthChannel::alpha;
    /// Where the file (a TIFF) says what its fourth channel is, as a 16-bit number; 0: nowhere.
    std::size_t fourth_at = 0;
};

/// Reads the header of a WebP, BMP, TIFF or JPEG 2000 file.
/// Errors: truncated, bad_format (no width and height that make sense).
PictureHeader sniff_header(PictureFormat format, std::span<const std::uint8_t> bytes);

} // namespace clip

// SPDX-License-Identifier: MIT
// From a file's bytes to pixels. What a picture is, is told from its bytes, never from its name.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"
#include "data/image.hpp"

namespace clip {

struct DecodeOptions {
    /// A picture with more pixels is refused before memory is taken for it; 0: no limit. The
    /// default is where Pillow gives up, too.
    std::int64_t max_pixels = 178956970;
    /// A JPEG may come with 1/2, 1/4 or 1/8 of its sides, which is much faster, as long as the
    /// longer one keeps at least this many pixels; 0: as it is stored.
    int shrink_to = 0;
    /// The same for the shorter side; with both, both are kept.
    int shrink_shorter_to = 0;
    /// The plugin that decodes what libjpeg and libpng do not; empty: found beside the program.
    std::string plugin_path;
};

/// Decodes JPEG, PNG, GIF (its first frame) and PNM here, and WebP, BMP, TIFF and JPEG 2000 by the
/// OpenCV plugin, which is loaded when the first of them comes. Thread-safe.
///
/// Pixels are Pillow's, with these exceptions: JPEG 2000 and lossy WebP are what another version
/// of their library gives; a TIFF in CMYK comes as RGB, one in grey with alpha as grey; grey of 16
/// bits in a TIFF, which Pillow 9.4 cannot resize, is treated as in a PNG. Animations give their
/// first frame. A TIFF is turned by its own orientation tag whatever the caller wants, as there.
///
/// Errors, as the Result's error: bad_format (not a picture, or a broken one), truncated (cut
/// off), unsupported (a format or kind of picture that this build cannot read, the plugin is not
/// there), invalid_argument (over max_pixels), out_of_memory. Messages do not name the file.
Result<Image> decode_image(std::span<const std::uint8_t> bytes, const DecodeOptions& options);

/// Reads the file `path`, any bytes but NUL, and decodes it.
/// Errors: as decode_image; not_found, io_failure; invalid_argument (not a regular file).
Result<Image> read_image(const std::string& path, const DecodeOptions& options);

/// Whether the name ends, in any case, in one of: .jpg .jpeg .jpe .jfif .png .gif .webp .bmp .dib
/// .tif .tiff .ppm .pgm .pbm .pnm .jp2 .j2k. Looks at nothing but the name: this is for choosing
/// files of a folder.
bool looks_like_picture(const std::string& path);

} // namespace clip

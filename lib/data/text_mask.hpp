// SPDX-License-Identifier: MIT
// Letters for pictures made of pixels, drawn by the OpenCV plugin.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace clip {

/// What of a text the raster font has, which is ASCII only: accents are taken off Latin letters
/// (and a few letters and signs are spelt out, such as the sharp s and the ellipsis); every other
/// character is shown as `?`, and so is a broken byte. Marks and control characters vanish.
std::string fold_to_ascii(std::u32string_view text);

/// How strongly each pixel is covered by a text, 0 to 255.
struct TextMask {
    int width = 0, height = 0;
    int left = 0;                       ///< the text begins at this column
    int baseline = 0;                   ///< and stands on this row
    std::vector<std::uint8_t> coverage; ///< (height, width)
};

struct RasterFont {
    double size = 12.0; ///< pixels; capitals are 0.72 of it
    bool bold = false;
};

/// How long `ascii` is, in pixels. Errors: unsupported (the plugin is not there); internal.
double measure_text(const std::string& ascii, const RasterFont& font);

/// Draws `ascii`, which is not longer than a few thousand characters.
/// Errors: as measure_text; out_of_memory.
TextMask draw_text(const std::string& ascii, const RasterFont& font);

} // namespace clip

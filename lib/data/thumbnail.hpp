// SPDX-License-Identifier: MIT
// Small pictures for people to look at; unlike preprocess.hpp, nothing depends on their bits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "data/image.hpp"
#include "data/image_decode.hpp"
#include "data/preprocess.hpp"

namespace clip {

struct Thumbnail {
    int width = 0, height = 0;
    bool alpha = false;               ///< some pixel is not opaque
    std::vector<std::uint8_t> pixels; ///< (height, width, 3), with alpha 4, not premultiplied
};

struct ThumbnailOptions {
    int side = 224;       ///< what the longer side becomes
    bool enlarge = false; ///< also where that is more than it has
    Orientation orientation = Orientation::exif;
};

/// The picture made smaller, its aspect kept (no side under 1). Palettes become colours first, and
/// 16-bit grey its upper 8 bits, or the lower ones where it has no others.
/// Errors: invalid_argument (a side under 1); out_of_memory.
Thumbnail make_thumbnail(Image image, const ThumbnailOptions& options);

/// Reads the file `path` and makes its thumbnail; JPEG is decoded no larger than is needed for it.
/// `decode.shrink_to` is not looked at. Errors: as read_image.
Result<Thumbnail> read_thumbnail(const std::string& path, const ThumbnailOptions& options,
                                 DecodeOptions decode);

} // namespace clip

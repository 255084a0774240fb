// SPDX-License-Identifier: MIT
// Rows of a picture as it should be seen: EXIF orientation is undone strip by strip, so that a
// turned photograph needs no second copy of its pixels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/image.hpp"

namespace clip {

/// A few rows of an oriented picture.
struct RowStrip {
    const std::uint8_t* data; ///< readable up to PixelBuffer::kPadding bytes past its last row
    std::size_t stride;       ///< bytes from one row to the next
};

class OrientedRows {
  public:
    /// `orientation` is EXIF's 1 to 8; other values mean 1. `image` must outlive this.
    OrientedRows(const Image& image, int orientation);

    int width() const { return swapped_ ? image_.height : image_.width; }
    int height() const { return swapped_ ? image_.width : image_.height; }

    /// The pixel at (x, y) of the oriented picture.
    const std::uint8_t* pixel(int x, int y) const;

    /// Rows [y, y + count) whole. They lie in the picture itself where it is not turned, else in
    /// a buffer of this object until the next call.
    RowStrip fetch(int y, int count);

    /// As fetch, but always in the buffer, where the caller may change them.
    RowStrip fetch_copy(int y, int count, std::uint8_t*& writable);

  private:
    const Image& image_;
    int orientation_;
    bool swapped_;
    std::vector<std::uint8_t> strip_;
};

} // namespace clip

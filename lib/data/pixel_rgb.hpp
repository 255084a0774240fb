// SPDX-License-Identifier: MIT
// From a pixel of any mode to RGB.
#pragma once

#include <cstdint>

#include "data/image.hpp"

namespace clip {

/// Reads a pixel of any mode but grey16 as RGB, with Pillow's conversions. Alpha is passed over.
class ToRgb {
  public:
    /// `image` must outlive this.
    explicit ToRgb(const Image& image) : mode_(image.mode), palette_(image.palette) {}

    void operator()(std::uint8_t* rgb, const std::uint8_t* pixel) const;

  private:
    PixelMode mode_;
    const Palette& palette_;
};

/// The upper bytes of 16-bit grey, as 8-bit grey.
Image upper_bytes(const Image& image);

} // namespace clip

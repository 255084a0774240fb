// SPDX-License-Identifier: MIT
// A decoded picture, in the mode that its file has: Pillow's arithmetic depends on it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace clip {

/// What a pixel is. The resize is done in this mode, the conversion to RGB comes after it.
enum class PixelMode : std::uint8_t {
    bilevel,    ///< 1 byte: 0 or 255; resized by nearest (Pillow's 1)
    grey,       ///< 1 byte (L)
    grey16,     ///< 2 bytes, native order (I and I;16)
    grey_alpha, ///< 2 bytes (LA)
    rgb,        ///< 3 bytes
    rgba,       ///< 4 bytes, not premultiplied
    cmyk,       ///< 4 bytes, 255 is full ink
    palette,    ///< 1 byte: an index into `Image::palette`; resized by nearest (P)
};

/// Bytes of one pixel.
constexpr std::size_t pixel_size(PixelMode mode) {
    switch (mode) {
    case PixelMode::bilevel:
    case PixelMode::grey:
    case PixelMode::palette:
        return 1;
    case PixelMode::grey16:
    case PixelMode::grey_alpha:
        return 2;
    case PixelMode::rgb:
        return 3;
    case PixelMode::rgba:
    case PixelMode::cmyk:
        return 4;
    }
    return 0;
}

/// Bytes that are not cleared when they are made (a large picture is written whole anyway), and
/// that may be read, though not used, up to `kPadding` past their end: kernels load 16 at a time.
class PixelBuffer {
  public:
    static constexpr std::size_t kPadding = 32;

    PixelBuffer() = default;
    explicit PixelBuffer(std::size_t size)
        : bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(size + kPadding)), size_(size) {
        for (std::size_t i = 0; i < kPadding; ++i)
            bytes_[size + i] = 0;
    }

    std::uint8_t* data() { return bytes_.get(); }
    const std::uint8_t* data() const { return bytes_.get(); }
    std::size_t size() const { return size_; }

  private:
    std::unique_ptr<std::uint8_t[]> bytes_;
    std::size_t size_ = 0;
};

using Palette = std::array<std::array<std::uint8_t, 3>, 256>;

struct Image {
    int width = 0;
    int height = 0;
    PixelMode mode = PixelMode::rgb;
    PixelBuffer pixels; ///< (height, width, pixel_size(mode)), no gaps between rows
    Palette palette{};  ///< RGB, only where mode is palette
    /// Alpha of the palette's first colours, where the file gives them one; others are opaque. The
    /// reference does not look at it.
    std::vector<std::uint8_t> palette_alpha;
    int orientation = 1; ///< EXIF 1 to 8; 1 where the file says nothing
    std::string format;  ///< "JPEG", "PNG", ...

    std::size_t row_bytes() const { return static_cast<std::size_t>(width) * pixel_size(mode); }
    const std::uint8_t* row(int y) const {
        return pixels.data() + static_cast<std::size_t>(y) * row_bytes();
    }
    std::uint8_t* row(int y) { return pixels.data() + static_cast<std::size_t>(y) * row_bytes(); }
};

/// An image whose pixels are not set yet. Errors: out_of_memory; internal (a side under 1).
inline Image make_image(int width, int height, PixelMode mode, const std::string& format) {
    expect(width > 0 && height > 0, "make image: sides are positive");
    Image image;
    image.width = width;
    image.height = height;
    image.mode = mode;
    image.format = format;
    try {
        image.pixels = PixelBuffer(image.row_bytes() * static_cast<std::size_t>(height));
    } catch (const std::bad_alloc&) {
        fail(ErrorCode::out_of_memory, "decode picture: no memory for its pixels");
    }
    return image;
}

} // namespace clip

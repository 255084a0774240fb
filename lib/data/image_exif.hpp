// SPDX-License-Identifier: MIT
// Just enough of TIFF's tag tables for an orientation and a picture's size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace clip {

/// Reads numbers of either byte order from bytes that nothing is known about.
class TiffReader {
  public:
    /// `bytes` begins with "II" or "MM"; else `ok()` is false.
    explicit TiffReader(std::span<const std::uint8_t> bytes);

    bool ok() const { return ok_; }
    /// The first value of a tag of the first directory, if it is a BYTE, SHORT or LONG.
    std::optional<std::uint32_t> tag(std::uint16_t id) const;
    /// Where the two bytes of that value lie, if it is a SHORT.
    std::optional<std::size_t> short_position(std::uint16_t id) const;

  private:
    struct Value {
        std::size_t at;
        std::size_t size;
    };
    std::optional<Value> find(std::uint16_t id) const;
    std::optional<std::uint32_t> number(std::size_t at, std::size_t size) const;

    std::span<const std::uint8_t> bytes_;
    bool big_endian_ = false;
    bool ok_ = false;
    std::size_t directory_ = 0;
};

/// EXIF's orientation, 1 to 8, from a block that begins with "II" or "MM", or with "Exif\0\0"
/// before that; 1 where there is none or it makes no sense.
int exif_orientation(std::span<const std::uint8_t> exif);

} // namespace clip

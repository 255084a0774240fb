// SPDX-License-Identifier: MIT
// A checksum of bytes that come in pieces.
#pragma once

#include <cstddef>
#include <cstdint>

namespace clip::io {

/// CRC-32 of everything that was added, as zlib, gzip and PNG have it. It finds every change of up
/// to 32 bits in a row, and any other but for one in 2^32.
class Crc32 {
  public:
    void add(const void* data, std::size_t size);
    std::uint32_t value() const { return value_; }

  private:
    std::uint32_t value_ = 0;
};

} // namespace clip::io

// SPDX-License-Identifier: MIT
// The inner loops of the 8-bit resize. All implementations give the same bytes: the arithmetic is
// on integers and every sum is exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "data/resize_taps.hpp"

namespace clip {

class ResizeKernels {
  public:
    virtual ~ResizeKernels() = default;

    /// Takes the weights of a block of columns for pixels of `channels` (1 to 4) bytes.
    /// Must come before `rows`; `taps` must outlive the calls.
    virtual void prepare(const Taps<std::int32_t>& taps, int channels) = 0;

    /// Resizes `count` rows along x. from: rows `from_stride` bytes apart, readable up to
    /// PixelBuffer::kPadding past the last one; to: (count, to_stride), rows of
    /// outputs * channels bytes, which may be written up to 4 bytes further.
    virtual void rows(const std::uint8_t* from, std::size_t from_stride, int count,
                      std::uint8_t* to, std::size_t to_stride) = 0;

    /// sum[i] += row[i] * weight, for i < n.
    virtual void accumulate(std::int32_t* sum, const std::uint8_t* row, std::int32_t weight,
                            std::size_t n) = 0;

    /// "avx2" or "portable".
    virtual const char* name() const = 0;
};

/// A weighted sum with kWeightBits fraction bits, rounded and clipped to a byte.
inline std::uint8_t round_to_byte(std::int32_t sum) {
    const std::int32_t value = (sum + (1 << (kWeightBits - 1))) >> kWeightBits;
    return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

/// For every CPU.
std::unique_ptr<ResizeKernels> portable_resize_kernels();
/// Null where this build or this CPU has none.
std::unique_ptr<ResizeKernels> avx2_resize_kernels();
/// The fastest that this CPU has.
std::unique_ptr<ResizeKernels> resize_kernels();

} // namespace clip

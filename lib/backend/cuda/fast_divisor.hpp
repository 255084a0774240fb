// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>

#include "backend/cuda/device_api.hpp"

namespace clip::cuda {

/// Divides numbers from 0 to 2^31 - 1 by one that was not known to the compiler, at the price of a
/// multiplication.
///
/// With 2^(l-1) < d <= 2^l and m = ceil(2^(31+l) / d), n / d is n m / 2^(31+l) rounded down: m is
/// too large by less than 1, which moves the quotient by less than n / 2^(31+l) <= 1 / d.
/// Source: Granlund & Montgomery 1994, "Division by invariant integers using multiplication".
class FastDivisor {
  public:
    FastDivisor() = default;
    /// Host side; `divisor` is 1 to 2^31 - 1.
    explicit FastDivisor(std::int64_t divisor)
        : divisor_(static_cast<std::uint32_t>(divisor)),
          shift_(31U + static_cast<unsigned>(std::bit_width(divisor_ - 1U))),
          factor_(static_cast<std::uint32_t>(((std::uint64_t{1} << shift_) + divisor_ - 1) /
                                             divisor_)) {}

    CLIP_DEVICE int quotient(int n) const {
        return static_cast<int>(
            static_cast<std::uint64_t>(static_cast<std::uint32_t>(n)) * factor_ >> shift_);
    }
    CLIP_DEVICE int remainder(int n, int quotient) const {
        return n - quotient * static_cast<int>(divisor_);
    }

  private:
    std::uint32_t divisor_ = 1;
    std::uint32_t shift_ = 31;
    std::uint32_t factor_ = 0x80000000U;
};

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// Random numbers that are a function of their place: the same on every machine, whatever thread
// draws them and in whatever order.
#pragma once

#include <array>
#include <cstdint>

namespace clip {

/// Philox4x32-10: four words of 32 random bits for a counter and a key.
/// Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011), section 3.3.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

/// The numbers of one stream of a seed, in order. Streams of one seed are independent.
class RandomStream {
  public:
    RandomStream(std::uint64_t seed, std::uint64_t stream) : seed_(seed), stream_(stream) {}

    /// 32 random bits.
    std::uint32_t next() {
        if (used_ == 4)
            refill();
        return words_[used_++];
    }
    /// A number in [0, bound), bound at least 1. Each comes with the same probability up to a
    /// relative difference of bound / 2^32.
    std::uint32_t below(std::uint32_t bound) {
        return static_cast<std::uint32_t>((std::uint64_t{next()} * bound) >> 32U);
    }

  private:
    void refill();

    std::uint64_t seed_, stream_, block_ = 0;
    std::array<std::uint32_t, 4> words_{};
    unsigned used_ = 4;
};

} // namespace clip

// SPDX-License-Identifier: MIT
// Everything random in training is a function of the seed and of its place, so that threads, ranks
// and restarts change nothing. This file gives every use a stream of its own.
#pragma once

#include <array>
#include <cstdint>

#include "base/random.hpp"

namespace clip::train {

/// What a number is drawn for. Values are part of what --seed means: add some, change none.
enum class Draw : std::uint32_t {
    order = 1,   ///< the order of an epoch
    shards = 2,  ///< the order of an epoch's shards
    sample = 3,  ///< a pair's caption and crop; the place is its index in the data
    augment = 4, ///< what is done to a picture: 16 places a pair, from 16 times its index on
};

/// Four words for one place of an epoch.
inline std::array<std::uint32_t, 4> draw(std::uint64_t seed, Draw what, std::uint32_t epoch,
                                         std::uint64_t place) {
    return philox({static_cast<std::uint32_t>(place), static_cast<std::uint32_t>(place >> 32U),
                   epoch, static_cast<std::uint32_t>(what)},
                  {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32U)});
}

/// The same words one after the other, from place 0 on.
inline RandomStream draw_stream(std::uint64_t seed, Draw what, std::uint32_t epoch) {
    return {seed, std::uint64_t{static_cast<std::uint32_t>(what)} << 32U | epoch};
}

} // namespace clip::train

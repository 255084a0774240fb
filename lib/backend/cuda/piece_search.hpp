// SPDX-License-Identifier: MIT
// Many things of different sizes in one launch: each is cut into pieces, a block takes one piece,
// and looks up in a table whose piece it is.
#pragma once

#include <cstdint>

#include "backend/cuda/device_api.hpp"

namespace clip::cuda {

/// Of `entries` (count), by their `first_piece` (the pieces of the entries before; the first has
/// 0), the one that has this piece, by bisection: 9 steps for 400 entries, which other blocks hide.
/// An entry without pieces is never found.
template <typename Entry>
CLIP_DEVICE Entry entry_of(Global<const Entry> entries, std::int64_t count, std::int64_t piece) {
    std::int64_t low = 0, high = count;
    while (high - low > 1) {
        const std::int64_t middle = (low + high) / 2;
        const Entry at = entries[middle];
        if (at.first_piece <= piece)
            low = middle;
        else
            high = middle;
    }
    return entries[low];
}

} // namespace clip::cuda

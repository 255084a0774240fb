// SPDX-License-Identifier: MIT
// Where the right captions of pictures, and the right pictures of captions, come among all.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.hpp"

namespace clip {

/// A picture and a caption that belong together. Either may have several.
struct ItemPair {
    std::uint32_t picture = 0, caption = 0; ///< rows
};

struct PairRanks {
    std::vector<std::uint64_t> pictures; ///< (N): the place, from 1, of a picture's best caption
    std::vector<std::uint64_t> captions; ///< (C): the place of a caption's best picture
};

/// Ranks all captions for each picture and all pictures for each caption, by cosine; 0 stands for
/// an item without a pair. Any of several right ones counts; of equal cosines the row that comes
/// first is before the other.
///
/// Shapes:  pictures (N, D); captions (C, D); any length but 0.
/// Numerics: exact: ranks are those of cosines in float64. Products in float32 with a bound on
/// their
///          error decide all but the few comparisons that are closer than that.
/// Memory:  a block of scores, never (N, C).
/// Errors:  shape_mismatch, invalid_argument (a row of zeros, a pair out of range), interrupted.
PairRanks rank_pairs(Backend& backend, ConstView pictures, ConstView captions,
                     std::span<const ItemPair> pairs, const std::atomic<bool>* stop = nullptr);

} // namespace clip

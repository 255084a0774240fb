// SPDX-License-Identifier: MIT
// Numbers of a row as integers that sort as top_k wants them: the largest first, equal ones in
// their order, NaN behind all. No two keys are equal, so that a set of keys has one order, however
// its members were found.
#pragma once

#include <cstdint>

#include "backend/cuda/device_api.hpp"

namespace clip::cuda {

using RowKey = std::uint64_t;

/// Below every key: what fills up a list that holds too few.
constexpr RowKey kNoKey = 0;

/// Rows are shorter than this: a key has 31 bits for a place.
constexpr std::int64_t kMostPlaces = std::int64_t{1} << 31U;

/// Of the number at `place` of its row. From the top: 32 bits that sort as the number does, 31 that
/// sort against the place, and one that says -0, which is equal to 0.
CLIP_DEVICE RowKey row_key(float number, std::int64_t place) {
    constexpr std::uint32_t kSign = 0x80000000U;
    const bool zero = number == 0.0F;
    const std::uint32_t bits = bits_of(number);
    std::uint32_t order = (bits & kSign) != 0 ? ~bits : bits | kSign;
    if (zero)
        order = kSign;
    if (number != number)
        order = 0;
    const auto behind = static_cast<std::uint32_t>(kMostPlaces - 1 - place);
    const std::uint32_t negative_zero = zero && bits != 0 ? 1U : 0U;
    return static_cast<RowKey>(order) << 32U | behind << 1U | negative_zero;
}

CLIP_DEVICE std::int64_t place_of(RowKey key) {
    return kMostPlaces - 1 - static_cast<std::int64_t>(static_cast<std::uint32_t>(key) >> 1U);
}

/// The number itself; of NaN only that it is one.
CLIP_DEVICE float number_of(RowKey key) {
    constexpr std::uint32_t kSign = 0x80000000U, kNan = 0x7fc00000U;
    const auto order = static_cast<std::uint32_t>(key >> 32U);
    if (order == 0)
        return float_of(kNan);
    if (order == kSign)
        return float_of((key & 1U) != 0 ? kSign : 0U);
    return float_of((order & kSign) != 0 ? order & ~kSign : ~order);
}

struct BlockBarrier {
    CLIP_DEVICE void operator()() const { block_barrier(); }
};
struct WarpBarrier {
    CLIP_DEVICE void operator()() const { warp_barrier(); }
};

/// Sorts `count` keys, the largest first, by `threads` threads, of which this is number `thread`.
/// All of them see the result.
///
/// A bitonic network (Batcher 1968) whose first step of each size compares mirrored places, so that
/// all its comparators put the larger key in front: those behind `count`, which would hold the
/// smallest keys, never move and need not be there.
template <typename Barrier>
CLIP_DEVICE void sort_keys(Shared<RowKey> keys, int count, int thread, int threads,
                           Barrier barrier) {
    for (int size = 2; size / 2 < count; size *= 2)
        for (int stride = size / 2; stride > 0; stride /= 2) {
            for (int pair = thread;; pair += threads) {
                const int place = pair & (stride - 1);
                const int low = 2 * pair - place;
                if (low >= count)
                    break;
                const int high = stride == size / 2 ? low + size - 1 - 2 * place : low + stride;
                if (high >= count)
                    continue;
                const RowKey a = keys[low], b = keys[high];
                if (a < b) {
                    keys[low] = b;
                    keys[high] = a;
                }
            }
            barrier();
        }
}

} // namespace clip::cuda

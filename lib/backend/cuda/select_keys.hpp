// SPDX-License-Identifier: MIT
// The largest keys of a row, found by one block; for top_k and for what similarity_top_k merges.
#pragma once

#include <cstdint>

#include "backend/cuda/row_keys.hpp"

namespace clip::cuda {

constexpr int kSelectThreads = 256;
constexpr int kSelectMost = 1024;  // keys that one pass finds
constexpr int kSelectChunk = 1024; // numbers that are looked at between two barriers
constexpr int kSelectKeys = kSelectMost + kSelectChunk;
constexpr int kSelectSharedBytes = kSelectKeys * static_cast<int>(sizeof(RowKey)) + 16;

/// Leaves the largest `k` (at most kSelectMost) of `held` keys in front, in order; all threads of
/// the block. Returns how many these are.
CLIP_DEVICE int keep_largest(Shared<RowKey> keys, int held, int k) {
    sort_keys(keys, held, thread_x(), kSelectThreads, BlockBarrier{});
    return min(held, k);
}

/// Finds the largest `k` keys source(i), i < count, below `bound`, and leaves them in the first
/// places of `keys` (kSelectKeys), in order; returns how many there were. What is below the k-th
/// largest so far is dropped where it is read, so that nearly all of a long row is.
///
/// One block of kSelectThreads; `held` is one int32 of shared memory. Ends with all threads at a
/// barrier behind the last write. Which thread appends first differs between runs, the result does
/// not: keys differ from each other.
template <typename Source>
CLIP_DEVICE int select_keys(Shared<RowKey> keys, Shared<int> held, const Source& source,
                            std::int64_t count, int k, RowKey bound) {
    constexpr int kEach = kSelectChunk / kSelectThreads;
    RowKey threshold = kNoKey; // what is kept lies above
    if (thread_x() == 0)
        held[0] = 0;
    block_barrier();
    for (std::int64_t first = 0; first < count; first += kSelectChunk) {
        RowKey found[kEach];
        CLIP_UNROLL
        for (int i = 0; i < kEach; ++i) {
            const std::int64_t at = first + i * kSelectThreads + thread_x();
            found[i] = at < count ? source(at) : kNoKey;
        }
        int kept = held[0];
        block_barrier(); // all have read it
        if (kept > kSelectKeys - kSelectChunk) {
            kept = keep_largest(keys, kept, k);
            if (thread_x() == 0)
                held[0] = kept;
            if (kept == k)
                threshold = keys[k - 1];
            block_barrier();
        }
        CLIP_UNROLL
        for (int i = 0; i < kEach; ++i)
            if (found[i] > threshold && found[i] < bound)
                keys[atomic_add(held, 1)] = found[i];
        block_barrier();
    }
    return keep_largest(keys, held[0], k);
}

} // namespace clip::cuda

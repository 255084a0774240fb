// SPDX-License-Identifier: MIT
// In which order an epoch goes through the pairs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace clip::train {

struct OrderOptions {
    std::uint64_t seed = 0;
    bool shuffle = true; ///< false: the order of the data, in every epoch
    /// Where pairs come in shards: how many are held to be drawn from.
    std::uint64_t shuffle_buffer = 10000;
};

/// A permutation of the pairs, the same on every rank and after every restart.
///
/// Without shards, all orders are equally likely (up to the relative difference of size / 2^32 that
/// RandomStream::below has). With shards, so that a disc reads nearly in sequence: shards come in a
/// drawn order, their pairs one after the other go into a buffer, and what comes next is drawn from
/// it. Memory: 4 bytes a pair.
class EpochOrder {
  public:
    /// `shards` are the sizes of the shards, which add up to `size`; empty where pairs may be read
    /// in any order. Errors: unsupported (2^32 pairs or more); internal (sizes do not add up).
    EpochOrder(std::uint64_t size, std::span<const std::uint64_t> shards,
               const OrderOptions& options, std::uint32_t epoch);

    std::uint64_t size() const { return size_; }
    /// The index of the pair at a position below size().
    std::uint64_t operator[](std::uint64_t position) const {
        return indices_.empty() ? position : indices_[position];
    }

  private:
    std::uint64_t size_;
    std::vector<std::uint32_t> indices_; ///< empty without shuffling
};

} // namespace clip::train

// SPDX-License-Identifier: MIT
// Offsets, ids and row numbers on the device. Ops get them as spans of the host, and the same ones
// again and again: in each layer, and in each batch of one shape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "backend/cuda/device_memory.hpp"

namespace clip::cuda {

class Transfer;

/// Copies of host bytes by their content. What was used longest ago goes first; what is pinned by a
/// graph stays for as long as the graph does.
class SpanCache {
  public:
    /// Bytes on the device that nobody but the cache holds; ids of a large batch of texts are 80
    /// KiB.
    static constexpr std::size_t kLimit = std::size_t{16} << 20;

    /// Entries that are kept whatever their size: an op has no more spans than these at once.
    static constexpr std::size_t kFewest = 8;

    struct Entry {
        std::vector<std::byte> bytes;
        DeviceBuffer device;
    };
    using Pin = std::shared_ptr<const Entry>;

    SpanCache(DeviceAllocator& allocator, Transfer& transfer, std::size_t limit = kLimit)
        : allocator_(allocator), transfer_(transfer), limit_(limit) {}

    /// The address of a device copy: valid for the kernels of the op that asks, and for as long as
    /// a pin of it lives.
    const void* put(std::span<const std::byte> bytes);

    /// Entries that put() gives from here on are pinned in `pins`, until called with null.
    void collect(std::vector<Pin>* pins) { pins_ = pins; }

    std::uint64_t uploads() const { return uploads_; }
    std::size_t held_bytes() const { return held_; }

  private:
    using Order = std::list<std::shared_ptr<Entry>>;
    void drop_oldest();

    DeviceAllocator& allocator_;
    Transfer& transfer_;
    std::size_t limit_;
    Order order_; ///< used last in front
    std::unordered_multimap<std::uint64_t, Order::iterator> by_hash_;
    std::vector<Pin>* pins_ = nullptr;
    std::size_t held_ = 0;
    std::uint64_t uploads_ = 0;
};

} // namespace clip::cuda

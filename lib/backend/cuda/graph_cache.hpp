// SPDX-License-Identifier: MIT
// Work that comes again and again, as CUDA graphs: a tower is hundreds of small launches, each of
// which costs the host more than the device.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <unordered_map>

#include "backend/backend.hpp"
#include "backend/cuda/span_cache.hpp"
#include "backend/cuda/workspace.hpp"

namespace clip::cuda {

/// Runs work the first time, records it the second, and plays it from then on. Work that cannot be
/// recorded (it uploads, downloads, or allocates tensors) runs as before, always.
class GraphCache {
  public:
    /// Graphs that are kept; what was used longest ago goes first.
    static constexpr std::size_t kMost = 64;

    GraphCache(Stream& stream, DeviceAllocator& allocator, Workspace& workspace, SpanCache& spans)
        : stream_(stream), allocator_(allocator), workspace_(workspace), spans_(spans) {}

    /// As Backend::repeat says. Errors: those of `body`.
    void repeat(const RepeatKey& key, const std::function<void()>& body);
    void forget(const void* owner);

    std::uint64_t played() const { return played_; }
    std::uint64_t recorded() const { return recorded_; }

  private:
    struct Entry {
        RepeatKey key;
        int failures = 0;
        Graph graph;
        std::uint64_t generation = 0; ///< of the workspace that it was recorded with
        std::vector<SpanCache::Pin> pins;
    };
    struct Hash {
        std::size_t operator()(const RepeatKey& key) const { return key.hash(); }
    };
    using Order = std::list<Entry>;

    bool record(Entry& entry, const std::function<void()>& body);

    Stream& stream_;
    DeviceAllocator& allocator_;
    Workspace& workspace_;
    SpanCache& spans_;
    Order order_; ///< used last in front
    std::unordered_map<RepeatKey, Order::iterator, Hash> entries_;
    std::uint64_t played_ = 0, recorded_ = 0;
};

} // namespace clip::cuda

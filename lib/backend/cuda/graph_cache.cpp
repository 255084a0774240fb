// SPDX-License-Identifier: MIT
#include "backend/cuda/graph_cache.hpp"

#include "base/error.hpp"

namespace clip::cuda {

namespace {
/// Recording is tried so often: the first time a span may not be on the device yet.
constexpr int kTries = 3;
} // namespace

void GraphCache::repeat(const RepeatKey& key, const std::function<void()>& body) {
    if (stream_.capturing()) { // a part of what is being recorded
        body();
        return;
    }
    const auto found = entries_.find(key);
    if (found == entries_.end()) {
        body();
        order_.push_front({.key = key});
        entries_.emplace(key, order_.begin());
        if (order_.size() > kMost) {
            entries_.erase(order_.back().key);
            order_.pop_back();
        }
        return;
    }
    order_.splice(order_.begin(), order_, found->second);
    Entry& entry = order_.front();
    const bool stale = entry.generation != workspace_.generation();
    if ((entry.graph.empty() || stale) && (entry.failures >= kTries || !record(entry, body))) {
        body();
        return;
    }
    entry.graph.launch(stream_);
    ++played_;
}

bool GraphCache::record(Entry& entry, const std::function<void()>& body) {
    entry.graph = {};
    entry.pins.clear();
    const std::uint64_t changes = allocator_.changes();
    try {
        stream_.begin_capture();
        spans_.collect(&entry.pins);
        body();
        spans_.collect(nullptr);
        Graph graph = stream_.end_capture();
        // Addresses that were handed out meanwhile would be somebody else's when it is played.
        if (allocator_.changes() == changes) {
            entry.graph = std::move(graph);
            entry.generation = workspace_.generation();
            ++recorded_;
            return true;
        }
    } catch (const Error&) { // if it was the body's, running it will say so again
        spans_.collect(nullptr);
        if (stream_.capturing())
            stream_.abandon_capture();
    } catch (...) {
        spans_.collect(nullptr);
        if (stream_.capturing())
            stream_.abandon_capture();
        throw;
    }
    entry.pins.clear();
    ++entry.failures;
    return false;
}

void GraphCache::forget(const void* owner) {
    std::erase_if(entries_, [&](const auto& entry) { return entry.first.owner == owner; });
    std::erase_if(order_, [&](const Entry& entry) { return entry.key.owner == owner; });
}

} // namespace clip::cuda

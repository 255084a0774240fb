// SPDX-License-Identifier: MIT
#include "backend/cuda/span_cache.hpp"

#include <algorithm>
#include <string_view>

#include "backend/cuda/transfer.hpp"

namespace clip::cuda {

namespace {

std::uint64_t hash(std::span<const std::byte> bytes) {
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

} // namespace

const void* SpanCache::put(std::span<const std::byte> bytes) {
    const std::uint64_t key = hash(bytes);
    const auto [begin, end] = by_hash_.equal_range(key);
    for (auto found = begin; found != end; ++found) {
        const Order::iterator entry = found->second;
        if (!std::ranges::equal((*entry)->bytes, bytes))
            continue;
        order_.splice(order_.begin(), order_, entry);
        if (pins_ != nullptr)
            pins_->push_back(*entry);
        return (*entry)->device.data();
    }
    auto made = std::make_shared<Entry>();
    made->bytes.assign(bytes.begin(), bytes.end());
    made->device = DeviceBuffer(allocator_, bytes.size());
    transfer_.upload(made->device.data(), bytes.data(), bytes.size());
    ++uploads_;
    order_.push_front(made);
    by_hash_.emplace(key, order_.begin());
    held_ += bytes.size();
    if (pins_ != nullptr)
        pins_->push_back(made);
    while (held_ > limit_ && order_.size() > kFewest)
        drop_oldest();
    return made->device.data();
}

void SpanCache::drop_oldest() {
    const Order::iterator last = std::prev(order_.end());
    const auto [begin, end] = by_hash_.equal_range(hash((*last)->bytes));
    by_hash_.erase(std::find_if(begin, end, [&](const auto& at) { return at.second == last; }));
    held_ -= (*last)->bytes.size();
    order_.erase(last);
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
#include "train/epoch_order.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "train/draws.hpp"

namespace clip::train {

namespace {

void shuffle(std::vector<std::uint32_t>& values, RandomStream random) {
    for (std::size_t left = values.size(); left > 1; --left)
        std::swap(values[left - 1], values[random.below(static_cast<std::uint32_t>(left))]);
}

/// Sends a stream through a buffer: each next one is drawn from what is in there, and its place is
/// taken by what comes next in the stream. In place, because the buffer is read ahead of the
/// output.
void shuffle_in_buffer(std::vector<std::uint32_t>& stream, std::uint64_t places,
                       RandomStream random) {
    const std::uint64_t held =
        std::min<std::uint64_t>(std::max<std::uint64_t>(places, 1), stream.size());
    std::vector<std::uint32_t> buffer(stream.begin(),
                                      stream.begin() + static_cast<std::ptrdiff_t>(held));
    std::size_t read = buffer.size();
    for (std::uint32_t& out : stream) {
        const std::uint32_t place = random.below(static_cast<std::uint32_t>(buffer.size()));
        out = buffer[place];
        if (read < stream.size()) {
            buffer[place] = stream[read++];
        } else {
            buffer[place] = buffer.back();
            buffer.pop_back();
        }
    }
}

} // namespace

EpochOrder::EpochOrder(std::uint64_t size, std::span<const std::uint64_t> shards,
                       const OrderOptions& options, std::uint32_t epoch)
    : size_(size) {
    if (size > 0xffffffffU)
        fail(ErrorCode::unsupported, concat("shuffle the training data: too many pairs (got ", size,
                                            ", want less than 2^32)"));
    expect(shards.empty() ||
               std::accumulate(shards.begin(), shards.end(), std::uint64_t{0}) == size,
           "epoch order: shards hold all pairs");
    if (!options.shuffle)
        return;
    indices_.resize(static_cast<std::size_t>(size));
    if (shards.empty()) {
        std::iota(indices_.begin(), indices_.end(), 0U);
        shuffle(indices_, draw_stream(options.seed, Draw::order, epoch));
        return;
    }
    std::vector<std::uint32_t> order(shards.size()), begin(shards.size());
    std::iota(order.begin(), order.end(), 0U);
    std::exclusive_scan(shards.begin(), shards.end(), begin.begin(), 0U);
    shuffle(order, draw_stream(options.seed, Draw::shards, epoch));
    auto to = indices_.begin();
    for (const std::uint32_t shard : order) {
        const auto end = to + static_cast<std::ptrdiff_t>(shards[shard]);
        std::iota(to, end, begin[shard]);
        to = end;
    }
    shuffle_in_buffer(indices_, options.shuffle_buffer,
                      draw_stream(options.seed, Draw::order, epoch));
}

} // namespace clip::train

// SPDX-License-Identifier: MIT
#include "data/bpe.hpp"

#include <algorithm>
#include <bit>
#include <queue>

namespace clip {
namespace {

// Words up to this long are merged in place, which beats the heap there.
constexpr std::size_t kShortWord = 48;

using Merge = MergeTable::Merge;
constexpr std::uint32_t kNoRank = MergeTable::kNoRank;

void merge_short(std::vector<std::int32_t>& out, std::span<std::int32_t> ids,
                 const MergeTable& merges) {
    std::array<Merge, kShortWord> next; // next[i] merges ids[i] and ids[i + 1]
    std::size_t size = ids.size();
    for (std::size_t i = 0; i + 1 < size; ++i)
        next[i] = merges.find(ids[i], ids[i + 1]);
    while (size > 1) {
        std::size_t best = 0;
        for (std::size_t i = 1; i + 1 < size; ++i)
            if (next[i].rank < next[best].rank)
                best = i;
        const Merge chosen = next[best];
        if (chosen.rank == kNoRank)
            break;
        std::size_t to = best;
        for (std::size_t from = best; from < size; ++to) {
            if (from + 1 < size && next[from].rank == chosen.rank) {
                ids[to] = chosen.result;
                // The pair that begins with this one's second half is gone.
                from += 2;
            } else {
                ids[to] = ids[from];
                next[to] = next[from];
                ++from;
                continue;
            }
            next[to] = {kNoRank, 0};
        }
        // Only neighbours of the new id change; asking again for all from there on is as cheap.
        size = to;
        for (std::size_t i = best == 0 ? 0 : best - 1; i + 1 < size; ++i)
            if (ids[i] == chosen.result || ids[i + 1] == chosen.result)
                next[i] = merges.find(ids[i], ids[i + 1]);
    }
    out.insert(out.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(size));
}

struct Candidate {
    std::uint32_t rank;
    std::uint32_t left;  ///< where the left part is
    std::uint32_t right; ///< where the right part is
    std::int32_t left_id;
    std::int32_t right_id;
    std::int32_t result;

    bool operator>(const Candidate& other) const {
        return rank != other.rank ? rank > other.rank : left > other.left;
    }
};

void merge_long(std::vector<std::int32_t>& out, std::span<std::int32_t> ids,
                const MergeTable& merges) {
    constexpr std::uint32_t kNone = 0xffffffff;
    const auto size = static_cast<std::uint32_t>(ids.size());
    std::vector<std::uint32_t> previous(size);
    std::vector<std::uint32_t> next(size);
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> heap;
    const auto offer = [&](std::uint32_t left, std::uint32_t right) {
        const Merge merge = merges.find(ids[left], ids[right]);
        if (merge.rank != kNoRank)
            heap.push({merge.rank, left, right, ids[left], ids[right], merge.result});
    };
    for (std::uint32_t i = 0; i < size; ++i) {
        previous[i] = i == 0 ? kNone : i - 1;
        next[i] = i + 1 == size ? kNone : i + 1;
        if (i + 1 < size)
            offer(i, i + 1);
    }
    constexpr std::int32_t kGone = -1;
    std::vector<std::uint32_t> merged;
    while (!heap.empty()) {
        // One pass merges what was there at its beginning; pairs that it makes wait for the next.
        const std::uint32_t rank = heap.top().rank;
        merged.clear();
        while (!heap.empty() && heap.top().rank == rank) {
            const Candidate c = heap.top();
            heap.pop();
            if (ids[c.left] != c.left_id || ids[c.right] != c.right_id || next[c.left] != c.right)
                continue;
            ids[c.left] = c.result;
            ids[c.right] = kGone;
            next[c.left] = next[c.right];
            if (next[c.left] != kNone)
                previous[next[c.left]] = c.left;
            merged.push_back(c.left);
        }
        for (const std::uint32_t i : merged) {
            if (previous[i] != kNone)
                offer(previous[i], i);
            if (next[i] != kNone)
                offer(i, next[i]);
        }
    }
    for (std::uint32_t i = 0; i != kNone; i = next[i])
        out.push_back(ids[i]);
}

} // namespace

void MergeTable::reserve(std::size_t count) {
    const std::size_t size = std::bit_ceil(std::max<std::size_t>(2 * count, 64));
    if (size <= slots_.size())
        return;
    std::vector<Slot> old(size);
    old.swap(slots_);
    shift_ = 64 - std::countr_zero(size);
    for (const Slot& from : old) {
        if (from.key == kEmpty)
            continue;
        std::size_t slot = hash(from.key);
        while (slots_[slot].key != kEmpty)
            slot = (slot + 1) & (size - 1);
        slots_[slot] = from;
    }
}

std::vector<MergeTable::Entry> MergeTable::in_order() const {
    std::vector<std::pair<std::uint32_t, Entry>> ranked;
    ranked.reserve(used_);
    for (const Slot& slot : slots_)
        if (slot.key != kEmpty)
            ranked.push_back({slot.merge.rank,
                              {static_cast<std::int32_t>(slot.key >> 32),
                               static_cast<std::int32_t>(slot.key), slot.merge.result}});
    std::ranges::sort(ranked, {}, [](const auto& each) { return each.first; });
    std::vector<Entry> out;
    out.reserve(ranked.size());
    for (const auto& [rank, entry] : ranked)
        out.push_back(entry);
    return out;
}

void MergeTable::set(std::int32_t left, std::int32_t right, Merge merge) {
    reserve(used_ + 1);
    const std::uint64_t key = key_of(left, right);
    std::size_t slot = hash(key);
    while (slots_[slot].key != kEmpty && slots_[slot].key != key)
        slot = (slot + 1) & (slots_.size() - 1);
    if (slots_[slot].key == kEmpty)
        ++used_;
    slots_[slot] = {key, merge};
}

void append_word_ids(std::vector<std::int32_t>& out, std::string_view word,
                     const std::array<std::int32_t, 256>& byte_ids,
                     const std::array<std::int32_t, 256>& final_byte_ids,
                     const MergeTable& merges) {
    if (word.empty())
        return;
    const auto fill = [&](std::int32_t* ids) {
        for (std::size_t i = 0; i + 1 < word.size(); ++i)
            ids[i] = byte_ids[static_cast<unsigned char>(word[i])];
        ids[word.size() - 1] = final_byte_ids[static_cast<unsigned char>(word.back())];
    };
    if (word.size() <= kShortWord) {
        std::array<std::int32_t, kShortWord> ids;
        fill(ids.data());
        merge_short(out, {ids.data(), word.size()}, merges);
    } else {
        std::vector<std::int32_t> ids(word.size());
        fill(ids.data());
        merge_long(out, ids, merges);
    }
}

} // namespace clip

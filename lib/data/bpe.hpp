// SPDX-License-Identifier: MIT
// Merging of byte pairs.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace clip {

/// The merges of a vocabulary, by the ids of their two parts.
class MergeTable {
  public:
    struct Merge {
        std::uint32_t rank;
        std::int32_t result;
    };
    static constexpr std::uint32_t kNoRank = 0xffffffff;

    /// Reserves place for `count` merges.
    void reserve(std::size_t count);
    /// A pair that is already there gets the new rank.
    void set(std::int32_t left, std::int32_t right, Merge merge);
    /// `rank` is kNoRank where the pair does not merge.
    Merge find(std::int32_t left, std::int32_t right) const {
        if (slots_.empty())
            return {kNoRank, 0};
        const std::uint64_t key = key_of(left, right);
        for (std::size_t slot = hash(key);; slot = (slot + 1) & (slots_.size() - 1)) {
            if (slots_[slot].key == key)
                return slots_[slot].merge;
            if (slots_[slot].key == kEmpty)
                return {kNoRank, 0};
        }
    }

    /// The merges' pairs and results in the order of their ranks.
    struct Entry {
        std::int32_t left, right, result;
        bool operator==(const Entry&) const = default;
    };
    std::vector<Entry> in_order() const;

  private:
    static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
    struct Slot {
        std::uint64_t key = kEmpty;
        Merge merge{kNoRank, 0};
    };
    static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
        return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
               static_cast<std::uint32_t>(right);
    }
    std::size_t hash(std::uint64_t key) const {
        return static_cast<std::size_t>((key * 0x9e3779b97f4a7c15U) >> shift_);
    }
    std::vector<Slot> slots_; ///< a power of two, at most half full
    int shift_ = 63;
    std::size_t used_ = 0;
};

/// Appends the ids of one word to `out`. The pair of lowest rank is merged first, all its
/// occurrences from left to right, until none is left that merges. Costs n log n for long words.
/// `byte_ids` are the ids of single bytes, `final_byte_ids` of bytes that end a word.
void append_word_ids(std::vector<std::int32_t>& out, std::string_view word,
                     const std::array<std::int32_t, 256>& byte_ids,
                     const std::array<std::int32_t, 256>& final_byte_ids, const MergeTable& merges);

} // namespace clip

// SPDX-License-Identifier: MIT
// A table of words and their ids that is quick to fill: one block of text, one block of slots.
#pragma once

#include <bit>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace clip {

/// Holds at most 4 GiB of text, far more than the readers of vocabularies let through.
class SymbolTable {
  public:
    /// Reserves place for `count` words of `bytes` bytes in all.
    void reserve(std::size_t count, std::size_t bytes) {
        text_.reserve(bytes);
        grow(std::bit_ceil(2 * count + 64));
    }
    /// Adds a word, or gives one that is there the new id. Ids are not negative.
    void set(std::string_view word, std::int32_t id) {
        if (2 * (used_ + 1) > slots_.size())
            grow(std::bit_ceil(4 * used_ + 64));
        Slot& slot = slots_[position_of(word)];
        if (slot.id == kFree) {
            slot.begin = static_cast<std::uint32_t>(text_.size());
            slot.length = static_cast<std::uint32_t>(word.size());
            text_ += word;
            ++used_;
        }
        slot.id = id;
    }
    std::optional<std::int32_t> find(std::string_view word) const {
        if (slots_.empty())
            return std::nullopt;
        const Slot& slot = slots_[position_of(word)];
        return slot.id == kFree ? std::nullopt : std::optional(slot.id);
    }
    /// Calls `visit(word, id)` for each, in no particular order; the words live as long as this
    /// does.
    template <typename Visit>
    void for_each(Visit&& visit) const {
        for (const Slot& slot : slots_)
            if (slot.id != kFree)
                visit(word_of(slot), slot.id);
    }

  private:
    static constexpr std::int32_t kFree = -1;
    struct Slot {
        std::uint32_t begin = 0;
        std::uint32_t length = 0;
        std::int32_t id = kFree;
    };

    std::string_view word_of(const Slot& slot) const {
        return std::string_view(text_).substr(slot.begin, slot.length);
    }
    /// Where the word is, or the free slot where it belongs.
    std::size_t position_of(std::string_view word) const {
        const std::size_t mask = slots_.size() - 1;
        std::size_t at = std::hash<std::string_view>()(word) & mask;
        while (slots_[at].id != kFree && word_of(slots_[at]) != word)
            at = (at + 1) & mask;
        return at;
    }
    void grow(std::size_t size) {
        if (size <= slots_.size())
            return;
        std::vector<Slot> old(size);
        old.swap(slots_);
        for (const Slot& slot : old)
            if (slot.id != kFree)
                slots_[position_of(word_of(slot))] = slot;
    }

    std::string text_;
    std::vector<Slot> slots_; ///< a power of two, at most half full
    std::size_t used_ = 0;
};

} // namespace clip

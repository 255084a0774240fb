// SPDX-License-Identifier: MIT
// How often each word occurs in captions: what a vocabulary is learned from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/thread_pool.hpp"
#include "data/symbol_table.hpp"

namespace clip {

class WordCounts {
  public:
    /// Longer words (of bytes) are left out: no caption has them, and one of megabytes would make
    /// every merge slow.
    static constexpr std::size_t kMaxWord = 4096;

    /// Cleans a caption and splits it as Tokenizer::encode does; the marks of start and end are no
    /// words. Errors: unsupported (more than 4 GB of different words).
    void add_text(std::string_view text);
    /// A word as the splitter gives it: at least one byte, any bytes. Errors: as above.
    void add_word(std::string_view word, std::uint64_t count = 1);
    void add(const WordCounts& other);

    /// How many different words there are.
    std::size_t size() const { return counts_.size(); }
    /// How many words were counted.
    std::uint64_t total() const { return total_; }
    /// How many words were longer than kMaxWord.
    std::uint64_t left_out() const { return left_out_; }
    /// The words and their counts, sorted by the words' bytes. The words live as long as this does
    /// and nothing is added.
    std::vector<std::pair<std::string_view, std::uint64_t>> sorted() const;

  private:
    SymbolTable places_; ///< a word's place in counts_
    std::vector<std::uint64_t> counts_;
    std::size_t bytes_ = 0;
    std::uint64_t total_ = 0;
    std::uint64_t left_out_ = 0;
};

/// Counts the words of many captions on all threads of `pool`. Errors: as WordCounts::add_text.
WordCounts count_words(std::span<const std::string> texts, ThreadPool& pool);

} // namespace clip

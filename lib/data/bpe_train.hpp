// SPDX-License-Identifier: MIT
// Learning a vocabulary of byte pairs in CLIP's own layout.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/word_counts.hpp"

namespace clip {

struct BpeTrainOptions {
    /// Ids in all: 256 bytes, the same 256 at the end of a word, the merges, and the two marks.
    std::int64_t vocab_size = 49408;
    /// A pair that occurs less often is not merged.
    std::uint64_t min_count = 2;
};

/// A learned vocabulary.
struct TrainedBpe {
    struct Merge {
        std::int32_t left = 0;
        std::int32_t right = 0;
        std::uint64_t count = 0; ///< how often the pair occurred when it was merged
    };
    std::vector<Merge> merges; ///< in their order; the i-th gives the id 512 + i
    /// How each id is spelt: 256 bytes (printable ones first), the same with "</w>", the merges,
    /// "<|startoftext|>", "<|endoftext|>".
    std::vector<std::string> words;
    std::int64_t wanted_size = 0; ///< that of the options

    std::int64_t vocab_size() const { return static_cast<std::int64_t>(words.size()); }
    /// Whether no pair was left that occurs often enough, so that there are fewer merges than were
    /// wanted; callers say so.
    bool stopped_short() const { return vocab_size() < wanted_size; }
    /// What goes into merges.txt: "#version: 0.2" and a merge a line.
    std::string merges_text() const;
    /// What goes into vocab.json: one object, {"word": id, ...} in the order of ids.
    std::string vocab_text() const;
};

/// Merges the most frequent pair of neighbours again and again. Pairs are counted in every place
/// where they stand (two in "aaa"), weighted with the count of the word, and merged from left to
/// right. Of pairs that occur equally often the one with the smaller left id is taken, then the
/// smaller right id. The result depends on nothing but words, counts and options.
///
/// Memory: about 4 bytes a byte of the different words, and 60 a pair.
/// Errors: invalid_argument (a vocabulary below 514 or above 2^24 ids; no word at all).
TrainedBpe train_bpe(const WordCounts& words, const BpeTrainOptions& options);

} // namespace clip

// SPDX-License-Identifier: MIT
// A vocabulary learned from training data, and the files it is kept in.
#pragma once

#include <cstdint>
#include <string>

#include "base/thread_pool.hpp"
#include "data/bpe_train.hpp"
#include "train/pair_source.hpp"

namespace clip::train {

/// Counts the words of all captions of all pairs; pairs that cannot be read, and captions that are
/// not UTF-8, are left out and counted in `left_out`. Errors: as WordCounts::add_text.
WordCounts count_words(const PairSource& pairs, ThreadPool& pool, std::uint64_t& left_out);

/// Writes `folder`/vocab.json and `folder`/merges.txt, each complete or not at all.
/// Errors: not_found, io_failure.
void write_tokenizer(const std::string& folder, const TrainedBpe& bpe);

} // namespace clip::train

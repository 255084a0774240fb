// SPDX-License-Identifier: MIT
#include "data/word_counts.hpp"

#include <algorithm>
#include <mutex>

#include "base/error.hpp"
#include "data/text_clean.hpp"
#include "data/text_split.hpp"

namespace clip {

void WordCounts::add_text(std::string_view text) {
    const std::string cleaned = clean_text(text);
    WordSplitter words(cleaned);
    while (const auto word = words.next())
        if (*word != kStartMark && *word != kEndMark)
            add_word(*word);
}

void WordCounts::add_word(std::string_view word, std::uint64_t count) {
    if (word.empty() || count == 0)
        return;
    if (word.size() > kMaxWord) {
        left_out_ += count;
        return;
    }
    total_ += count;
    if (const auto place = places_.find(word)) {
        counts_[static_cast<std::size_t>(*place)] += count;
        return;
    }
    constexpr std::size_t kMaxBytes = 0xffffffff;
    if (word.size() > kMaxBytes - bytes_ || counts_.size() == 0x7fffffff)
        fail(ErrorCode::unsupported,
             "count the words of the captions: there are more than 4 GB of different ones");
    bytes_ += word.size();
    places_.set(word, static_cast<std::int32_t>(counts_.size()));
    counts_.push_back(count);
}

void WordCounts::add(const WordCounts& other) {
    other.places_.for_each([&](std::string_view word, std::int32_t place) {
        add_word(word, other.counts_[static_cast<std::size_t>(place)]);
    });
    left_out_ += other.left_out_;
}

std::vector<std::pair<std::string_view, std::uint64_t>> WordCounts::sorted() const {
    std::vector<std::pair<std::string_view, std::uint64_t>> out;
    out.reserve(counts_.size());
    places_.for_each([&](std::string_view word, std::int32_t place) {
        out.emplace_back(word, counts_[static_cast<std::size_t>(place)]);
    });
    std::sort(out.begin(), out.end());
    return out;
}

WordCounts count_words(std::span<const std::string> texts, ThreadPool& pool) {
    WordCounts all;
    std::mutex mutex;
    const std::size_t grain = std::max<std::size_t>(texts.size() / pool.size() + 1, 1);
    pool.parallel_for(texts.size(), grain, [&](std::size_t begin, std::size_t end) {
        WordCounts part;
        for (std::size_t i = begin; i < end; ++i)
            part.add_text(texts[i]);
        const std::lock_guard lock(mutex);
        all.add(part);
    });
    return all;
}

} // namespace clip

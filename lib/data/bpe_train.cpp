// SPDX-License-Identifier: MIT
#include "data/bpe_train.hpp"

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "data/byte_alphabet.hpp"
#include "data/text_split.hpp"

namespace clip {
namespace {

constexpr std::int64_t kBytesAndMarks = 514;
constexpr std::int64_t kMaxSize = 1 << 24;
constexpr std::int32_t kFinal = 256; ///< from a byte's id to its id at the end of a word

/// Left and right id in one number, which sorts like the two.
std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32U |
           static_cast<std::uint32_t>(right);
}
std::int32_t left_of(std::uint64_t key) {
    return static_cast<std::int32_t>(key >> 32U);
}
std::int32_t right_of(std::uint64_t key) {
    return static_cast<std::int32_t>(key & 0xffffffffU);
}

struct KeyHash {
    std::size_t operator()(std::uint64_t key) const {
        key = (key ^ key >> 29U) * 0x9e3779b97f4a7c15U;
        return static_cast<std::size_t>(key ^ key >> 32U);
    }
};

/// What the queue holds. A count may be outdated: counts of waiting pairs only fall, so that an
/// entry is put back with its true count when it comes up.
struct Candidate {
    std::uint64_t count;
    std::uint64_t key;
    bool operator<(const Candidate& other) const {
        return count != other.count ? count < other.count : key > other.key;
    }
};

class BpeTrainer {
  public:
    BpeTrainer(const WordCounts& counts, std::uint64_t min_count) : min_count_(min_count) {
        const ByteAlphabet& alphabet = byte_alphabet();
        for (const auto& [text, count] : counts.sorted()) {
            words_.push_back({symbols_.size(), text.size(), count});
            for (const char c : text)
                symbols_.push_back(alphabet.position[static_cast<unsigned char>(c)]);
            symbols_.back() += kFinal;
        }
        for (std::uint32_t w = 0; w < words_.size(); ++w) {
            const Word& word = words_[w];
            const std::int32_t* ids = symbols_.data() + word.begin;
            for (std::size_t i = 0; i + 1 < word.length; ++i)
                gain(key_of(ids[i], ids[i + 1]), word.count, w);
        }
        for (const auto& [key, pair] : pairs_)
            push(key, pair.count);
    }

    /// The pair to be merged next, taken off the queue; false where none is frequent enough.
    bool next(TrainedBpe::Merge& merge) {
        while (!queue_.empty()) {
            const Candidate top = queue_.top();
            queue_.pop();
            const std::uint64_t count = pairs_.at(top.key).count;
            if (count == top.count) {
                merge = {left_of(top.key), right_of(top.key), count};
                return true;
            }
            push(top.key, count);
        }
        return false;
    }

    /// Merges the pair to `result` wherever it stands.
    void apply(const TrainedBpe::Merge& merge, std::int32_t result) {
        const auto at = pairs_.find(key_of(merge.left, merge.right));
        const std::vector<std::uint32_t> places = std::move(at->second.words);
        fresh_.clear();
        for (const std::uint32_t w : places)
            rewrite(w, merge.left, merge.right, result);
        pairs_.erase(key_of(merge.left, merge.right));
        for (const std::uint64_t key : fresh_)
            push(key, pairs_.at(key).count);
    }

    /// Forgets a pair that must not be merged.
    void drop(const TrainedBpe::Merge& merge) { pairs_.at(key_of(merge.left, merge.right)) = {}; }

  private:
    struct Word {
        std::size_t begin;
        std::size_t length;
        std::uint64_t count;
    };
    struct Pair {
        std::uint64_t count = 0;
        std::vector<std::uint32_t> words; ///< that hold it, or once did; a word may be there twice
    };

    void push(std::uint64_t key, std::uint64_t count) {
        if (count >= min_count_ && count > 0)
            queue_.push({count, key});
    }
    void gain(std::uint64_t key, std::uint64_t count, std::uint32_t w) {
        const auto [at, added] = pairs_.try_emplace(key);
        if (added)
            fresh_.push_back(key);
        at->second.count += count;
        if (at->second.words.empty() || at->second.words.back() != w)
            at->second.words.push_back(w);
    }
    void lose(std::uint64_t key, std::uint64_t count) {
        // What drop() forgot stays at nothing.
        if (const auto at = pairs_.find(key); at != pairs_.end())
            at->second.count -= std::min(at->second.count, count);
    }

    void rewrite(std::uint32_t w, std::int32_t left, std::int32_t right, std::int32_t result) {
        Word& word = words_[w];
        std::int32_t* ids = symbols_.data() + word.begin;
        std::size_t to = 0;
        for (std::size_t from = 0; from < word.length; ++to) {
            if (from + 1 == word.length || ids[from] != left || ids[from + 1] != right) {
                ids[to] = ids[from++];
                continue;
            }
            if (to > 0) {
                lose(key_of(ids[to - 1], left), word.count);
                gain(key_of(ids[to - 1], result), word.count, w);
            }
            if (from + 2 < word.length) {
                lose(key_of(right, ids[from + 2]), word.count);
                gain(key_of(result, ids[from + 2]), word.count, w);
            }
            ids[to] = result;
            from += 2;
        }
        word.length = to;
    }

    std::uint64_t min_count_;
    std::vector<std::int32_t> symbols_; ///< of all words, one behind the other
    std::vector<Word> words_;
    std::unordered_map<std::uint64_t, Pair, KeyHash> pairs_;
    std::vector<std::uint64_t> fresh_; ///< pairs that the present merge has made
    std::priority_queue<Candidate> queue_;
};

} // namespace

TrainedBpe train_bpe(const WordCounts& words, const BpeTrainOptions& options) {
    if (options.vocab_size < kBytesAndMarks || options.vocab_size > kMaxSize)
        fail(ErrorCode::invalid_argument,
             concat("train the tokenizer: impossible size of a vocabulary (got ",
                    options.vocab_size, ", want ", kBytesAndMarks, " to ", kMaxSize,
                    ": bytes and marks take ", kBytesAndMarks, ")"));
    if (words.size() == 0)
        fail(ErrorCode::invalid_argument, "train the tokenizer: the captions hold no word");

    TrainedBpe out;
    out.wanted_size = options.vocab_size;
    const ByteAlphabet& alphabet = byte_alphabet();
    for (const std::string_view suffix : {std::string_view(), kWordEnd})
        for (const unsigned char b : alphabet.in_order)
            out.words.push_back(alphabet.letter[b] + std::string(suffix));
    // In words of the splitter no two merges spell the same, but in others "a", "</w>" may.
    std::unordered_set<std::string> spelt(out.words.begin(), out.words.end());
    spelt.insert({std::string(kStartMark), std::string(kEndMark)});

    BpeTrainer trainer(words, options.min_count);
    TrainedBpe::Merge merge;
    while (out.vocab_size() + 2 < options.vocab_size && trainer.next(merge)) {
        std::string word = out.words[static_cast<std::size_t>(merge.left)] +
                           out.words[static_cast<std::size_t>(merge.right)];
        if (!spelt.insert(word).second) {
            trainer.drop(merge);
            continue;
        }
        trainer.apply(merge, static_cast<std::int32_t>(out.words.size()));
        out.words.push_back(std::move(word));
        out.merges.push_back(merge);
    }
    out.words.emplace_back(kStartMark);
    out.words.emplace_back(kEndMark);
    return out;
}

std::string TrainedBpe::merges_text() const {
    std::string out = "#version: 0.2\n";
    for (const Merge& merge : merges) {
        out += words[static_cast<std::size_t>(merge.left)];
        out += ' ';
        out += words[static_cast<std::size_t>(merge.right)];
        out += '\n';
    }
    return out;
}

std::string TrainedBpe::vocab_text() const {
    std::string out = "{";
    for (std::size_t id = 0; id < words.size(); ++id) {
        out += id == 0 ? "\"" : ", \"";
        for (const char c : words[id]) {
            // The alphabet has no other characters that JSON does not take as they are.
            if (c == '"' || c == '\\')
                out += '\\';
            out += c;
        }
        out += concat("\": ", id);
    }
    return out + "}\n";
}

} // namespace clip

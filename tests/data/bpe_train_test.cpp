// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "data/bpe_train.hpp"
#include "data/text_clean.hpp"
#include "data/text_split.hpp"
#include "data/tokenizer.hpp"

using namespace clip;

namespace {

const std::string kGolden = CLIP_TEST_DIR "/golden/";

std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// "left right" of each merge, and its count.
std::vector<std::string> spelt(const TrainedBpe& bpe) {
    std::vector<std::string> out;
    for (const auto& merge : bpe.merges)
        out.push_back(concat(bpe.words[static_cast<std::size_t>(merge.left)], " ",
                             bpe.words[static_cast<std::size_t>(merge.right)], " ", merge.count));
    return out;
}

TrainedBpe train(const std::vector<std::pair<std::string, std::uint64_t>>& words,
                 std::int64_t size = 1000, std::uint64_t min_count = 2) {
    WordCounts counts;
    for (const auto& [word, count] : words)
        counts.add_word(word, count);
    return train_bpe(counts, {size, min_count});
}

using Merges = std::vector<std::string>;

/// The tokenizer that reads what was learned.
Tokenizer load(const TrainedBpe& bpe, const std::string& name) {
    const auto folder = std::filesystem::path(CLIP_BUILD_DIR) / concat("bpe_train_test_", name);
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "vocab.json", std::ios::binary) << bpe.vocab_text();
    std::ofstream(folder / "merges.txt", std::ios::binary) << bpe.merges_text();
    Tokenizer tokenizer = Tokenizer::from_vocab_and_merges((folder / "vocab.json").string(),
                                                           (folder / "merges.txt").string());
    // The layout of OpenAI's file is that of merges.txt: ids must come out the same.
    const Tokenizer plain =
        Tokenizer::from_bpe_file((folder / "merges.txt").string(), bpe.vocab_size());
    CHECK(plain.encode("a photo of the caf\xc3\xa9") ==
          tokenizer.encode("a photo of the caf\xc3\xa9"));
    CHECK(plain.end_id() == tokenizer.end_id());
    std::filesystem::remove_all(folder);
    return tokenizer;
}

std::string random_text(std::mt19937& random, bool bytes) {
    static const std::vector<std::string> kParts = {
        "an", "the",      "ing",          "a",  "b", " ",    " ", "'s",
        "7",  "\xc3\xa9", "\xe6\x9d\xb1", "!?", "<", "&amp;"};
    std::string out;
    const auto length = random() % 30;
    for (unsigned i = 0; i < length; ++i)
        if (bytes)
            out += static_cast<char>(random() & 0xff);
        else
            out += kParts[random() % kParts.size()];
    return out;
}

} // namespace

TEST_CASE("bpe training: merges counted by hand") {
    SUBCASE("the last byte is a symbol of its own") {
        // ab: 5 times at the start of "abc", once in the middle; a b</w>: 3 times.
        CHECK(spelt(train({{"abc", 5}, {"xab", 3}, {"yabz", 1}})) ==
              Merges{"a b 6", "ab c</w> 5", "a b</w> 3", "x ab</w> 3"});
    }
    SUBCASE("neighbours that overlap are counted twice and merged from the left") {
        CHECK(spelt(train({{"aaaa", 10}})) == Merges{"a a 20", "a a</w> 10", "aa aa</w> 10"});
    }
    SUBCASE("ties: the smaller left id, then the smaller right one") {
        // ids: b < c < x; a final symbol is larger than all others.
        CHECK(spelt(train({{"xb", 2}, {"cb", 2}, {"cx", 2}})) ==
              Merges{"c b</w> 2", "c x</w> 2", "x b</w> 2"});
    }
    SUBCASE("what is rare is not merged") {
        CHECK(spelt(train({{"ab", 1}, {"cd", 2}})) == Merges{"c d</w> 2"});
        CHECK(spelt(train({{"ab", 1}, {"cd", 2}}, 1000, 1)) == Merges{"c d</w> 2", "a b</w> 1"});
        CHECK(spelt(train({{"ab", 4}, {"cd", 2}}, 1000, 3)) == Merges{"a b</w> 4"});
        CHECK(spelt(train({{"ab", 1}, {"cd", 2}}, 1000, 0)) == Merges{"c d</w> 2", "a b</w> 1"});
    }
}

TEST_CASE("bpe training: sizes") {
    const std::vector<std::pair<std::string, std::uint64_t>> words = {{"abcd", 5}};
    CHECK(train(words, 514).merges.empty());
    CHECK_FALSE(train(words, 514).stopped_short());
    CHECK(train(words, 515).merges.size() == 1);
    CHECK(train(words, 517).merges.size() == 3);
    CHECK_FALSE(train(words, 517).stopped_short());
    const TrainedBpe all = train(words, 518);
    CHECK(all.merges.size() == 3);
    CHECK(all.vocab_size() == 517);
    CHECK(all.wanted_size == 518);
    CHECK(all.stopped_short());
    CHECK_THROWS_WITH_AS(train(words, 513),
                         "train the tokenizer: impossible size of a vocabulary (got 513, want 514 "
                         "to 16777216: bytes and marks take 514)",
                         Error);
    CHECK_THROWS_AS(train(words, -1), Error);
    CHECK_THROWS_AS(train(words, (1 << 24) + 1), Error);
    CHECK_THROWS_WITH_AS(train({}), "train the tokenizer: the captions hold no word", Error);
    CHECK_THROWS_AS(train({{"", 3}}), Error);
}

TEST_CASE("bpe training: captions are cleaned and split as the tokenizer does it") {
    WordCounts counts;
    counts.add_text("A dog&#39;s  CAF\xc3\x89 77<|startoftext|>dog");
    std::vector<std::string> words;
    for (const auto& [word, count] : counts.sorted())
        words.push_back(concat(word, " ", count));
    CHECK(words == Merges{"'s 1", "7 2", "a 1", "caf\xc3\xa9 1", "dog 2"});
    CHECK(counts.total() == 7);
    CHECK(counts.size() == 5);
    counts.add_text(std::string(5000, 'q') + " dog");
    CHECK(counts.left_out() == 1);
    CHECK(counts.size() == 5);
}

TEST_CASE("bpe training: no two words are spelt alike") {
    // In pieces that no splitter gives, 'a' with "</w>" would spell the id of a final 'a'.
    const TrainedBpe bpe = train({{"a</w>x", 50}, {"</w>", 5}});
    std::vector<std::string> sorted = bpe.words;
    std::sort(sorted.begin(), sorted.end());
    CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
    CHECK(bpe.merges.size() >= 3);
}

TEST_CASE(
    "bpe training: the same merges as Hugging Face tokenizers, the same ids as transformers") {
    WordCounts counts;
    std::ifstream words(kGolden + "bpe_train_words.txt");
    std::uint64_t count = 0;
    for (std::string word; words >> count >> word;)
        counts.add_word(word, count);
    REQUIRE(counts.size() == 500);
    const std::string golden = read(kGolden + "bpe_train_merges.txt");
    const auto merges = std::count(golden.begin(), golden.end(), '\n') - 1;
    REQUIRE(merges > 50);
    const TrainedBpe bpe = train_bpe(counts, {514 + merges, 2});
    CHECK(bpe.merges_text() == golden);

    const Tokenizer tokenizer = load(bpe, "golden");
    CHECK(tokenizer.vocab_size() == bpe.vocab_size());
    std::ifstream texts(kGolden + "bpe_train_ids.jsonl");
    int seen = 0;
    for (std::string line; std::getline(texts, line); ++seen) {
        const auto record = nlohmann::json::parse(line);
        const std::string text = record["text"];
        CAPTURE(text);
        CHECK(tokenizer.encode_for_model(text, 77).ids ==
              record["tokens"].get<std::vector<std::int32_t>>());
    }
    CHECK(seen == 8);
}

TEST_CASE("bpe training: what is written is valid, and decodes to what was encoded") {
    std::mt19937 random(7);
    WordCounts counts;
    for (int i = 0; i < 500; ++i)
        counts.add_text(random_text(random, i % 2 == 0));
    for (int i = 0; i < 50; ++i) { // words of any bytes at all
        std::string word;
        for (int b = 0; b < 6; ++b)
            word += static_cast<char>(random() % 4 == 0 ? random() : 250);
        counts.add_word(word);
    }
    const TrainedBpe bpe = train_bpe(counts, {1200, 2});
    const auto vocabulary = nlohmann::json::parse(bpe.vocab_text());
    REQUIRE(vocabulary.size() == bpe.words.size());
    for (std::size_t id = 0; id < bpe.words.size(); ++id)
        CHECK(vocabulary[bpe.words[id]] == id);

    // The bytes of every id, built from the merges alone.
    std::vector<std::string> bytes(512);
    for (unsigned b = 0; b < 256; ++b) {
        const bool printable = (b > 32 && b < 127) || (b > 160 && b != 173);
        static unsigned next_printable = 0, next_other = 188;
        const unsigned id = printable ? next_printable++ : next_other++;
        bytes[id] = bytes[id + 256] = std::string(1, static_cast<char>(b));
    }
    for (const auto& merge : bpe.merges)
        bytes.push_back(bytes[static_cast<std::size_t>(merge.left)] +
                        bytes[static_cast<std::size_t>(merge.right)]);
    bytes.emplace_back(kStartMark);
    bytes.emplace_back(kEndMark);

    const Tokenizer tokenizer = load(bpe, "round_trip");
    for (int i = 0; i < 500; ++i) {
        const std::string text = random_text(random, i % 2 == 1);
        const std::string cleaned = clean_text(text);
        std::string wanted, got;
        WordSplitter words(cleaned);
        while (const auto word = words.next())
            wanted += *word;
        for (const std::int32_t id : tokenizer.encode(text))
            got += bytes[static_cast<std::size_t>(id)];
        CHECK(got == wanted);
    }
}

TEST_CASE("bpe training: the same whatever the threads and the order of captions") {
    std::mt19937 random(3);
    std::vector<std::string> texts;
    for (int i = 0; i < 2000; ++i)
        texts.push_back(random_text(random, i % 5 == 0));
    ThreadPool one(1), four(4);
    const TrainedBpe first = train_bpe(count_words(texts, one), {900, 2});
    std::shuffle(texts.begin(), texts.end(), random);
    const TrainedBpe second = train_bpe(count_words(texts, four), {900, 2});
    CHECK(first.merges.size() > 50);
    CHECK(first.merges_text() == second.merges_text());
    CHECK(first.vocab_text() == second.vocab_text());
}

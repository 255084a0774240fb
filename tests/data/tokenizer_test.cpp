// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>
#include <zlib.h>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "data/tokenizer.hpp"

using namespace clip;

namespace {

const std::string kBpe = CLIP_TEST_DIR "/golden/tokens_bpe.txt";

/// A folder of this test's own, removed at the end.
class Folder {
  public:
    explicit Folder(const std::string& name)
        : path_(std::filesystem::path(CLIP_BUILD_DIR) / concat("tokenizer_test_", name)) {
        std::filesystem::remove_all(path_);
        std::filesystem::create_directories(path_);
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    std::string file(const std::string& name, const std::string& content) const {
        std::ofstream(path_ / name, std::ios::binary) << content;
        return (path_ / name).string();
    }
    std::string operator/(const std::string& name) const { return (path_ / name).string(); }
    std::string path() const { return path_.string(); }

  private:
    std::filesystem::path path_;
};

std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<std::string> lines_of(const std::string& path) {
    std::ifstream in(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

/// The letters of the bytes in the vocabulary's order, made here once more.
std::vector<std::string> byte_letters() {
    const auto utf8 = [](unsigned code) {
        return code < 0x80 ? std::string(1, static_cast<char>(code))
                           : std::string{static_cast<char>(0xc0 | code >> 6),
                                         static_cast<char>(0x80 | (code & 0x3f))};
    };
    std::vector<std::string> letters;
    for (unsigned b = 0; b < 256; ++b)
        if ((b > 32 && b < 127) || (b > 160 && b != 173))
            letters.push_back(utf8(b));
    const std::size_t printable = letters.size();
    for (unsigned b = 0; b < 256 - printable; ++b)
        letters.push_back(utf8(256 + b));
    return letters;
}

/// vocab.json of tokens_bpe.txt.
nlohmann::json vocabulary() {
    nlohmann::json ids = nlohmann::json::object();
    std::size_t id = 0;
    for (const char* suffix : {"", "</w>"})
        for (const std::string& letter : byte_letters())
            ids[letter + suffix] = id++;
    const auto lines = lines_of(kBpe);
    for (std::size_t i = 1; i < lines.size(); ++i) {
        std::string word = lines[i];
        ids[word.erase(word.find(' '), 1)] = id++;
    }
    ids["<|startoftext|>"] = id++;
    ids["<|endoftext|>"] = id++;
    return ids;
}

nlohmann::json tokenizer_json(bool pairs) {
    nlohmann::json merges = nlohmann::json::array();
    const auto lines = lines_of(kBpe);
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const std::size_t space = lines[i].find(' ');
        if (pairs)
            merges.push_back({lines[i].substr(0, space), lines[i].substr(space + 1)});
        else
            merges.push_back(lines[i]);
    }
    return {{"version", "1.0"},
            {"added_tokens", {{{"id", 1022}, {"content", "<|startoftext|>"}}}},
            {"normalizer", {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}}}}},
            {"model",
             {{"type", "BPE"},
              {"dropout", nullptr},
              {"unk_token", "<|endoftext|>"},
              {"end_of_word_suffix", "</w>"},
              {"fuse_unk", false},
              {"vocab", vocabulary()},
              {"merges", merges}}}};
}

/// The error that `call` throws; fails the test where it throws none.
Error error_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        return error;
    }
    FAIL("nothing was thrown");
    return {ErrorCode::internal, ""};
}

/// Checks that the message holds `what`.
void check_mentions(const Error& error, const std::string& what) {
    const std::string message = error.what();
    CAPTURE(message);
    CAPTURE(what);
    CHECK(message.find(what) != std::string::npos);
}

void check_goldens(const Tokenizer& tokenizer) {
    const auto lines = lines_of(CLIP_TEST_DIR "/golden/tokens.jsonl");
    REQUIRE(lines.size() > 150);
    for (const std::string& line : lines) {
        CAPTURE(line);
        const auto record = nlohmann::json::parse(line);
        CHECK(tokenizer.encode(record["text"].get<std::string>()) ==
              record["tokens"].get<std::vector<std::int32_t>>());
    }
}

} // namespace

TEST_CASE("tokenizer: gives the reference's ids from a BPE file") {
    const auto tokenizer = Tokenizer::from_bpe_file(kBpe, 1024);
    CHECK(tokenizer.vocab_size() == 1024);
    CHECK(tokenizer.start_id() == 1022);
    CHECK(tokenizer.end_id() == 1023);
    CHECK(tokenizer.source() == kBpe);
    check_goldens(tokenizer);
}

TEST_CASE("tokenizer: gives the reference's ids from vocab.json and merges.txt") {
    const Folder folder("hf");
    const auto vocab = folder.file("vocab.json", vocabulary().dump());
    std::string merges = read(kBpe);
    SUBCASE("with the version line") {}
    SUBCASE("without it") {
        merges.erase(0, merges.find('\n') + 1);
    }
    SUBCASE("with carriage returns and no last newline") {
        std::string with_returns;
        for (const char c : merges)
            with_returns.append(c == '\n' ? 1 : 0, '\r').push_back(c);
        merges = with_returns;
        merges.resize(merges.size() - 2);
    }
    check_goldens(Tokenizer::from_vocab_and_merges(vocab, folder.file("merges.txt", merges)));
}

TEST_CASE("tokenizer: gives the reference's ids from tokenizer.json, old and new") {
    const Folder folder("json");
    for (const bool pairs : {false, true})
        check_goldens(Tokenizer::from_tokenizer_json(
            folder.file("tokenizer.json", tokenizer_json(pairs).dump())));
}

TEST_CASE("tokenizer: the size of the vocabulary decides how many merges are used") {
    CHECK(Tokenizer::from_bpe_file(kBpe, 0).vocab_size() == 1024);
    const auto bytes = Tokenizer::from_bpe_file(kBpe, 514);
    CHECK(bytes.end_id() == 513);
    CHECK(bytes.encode("the").size() == 3);
    CHECK(Tokenizer::from_bpe_file(kBpe, 1024).encode("the").size() == 1);
    CHECK(error_of([] { Tokenizer::from_bpe_file(kBpe, 1025); }).code() == ErrorCode::truncated);
    CHECK(error_of([] { Tokenizer::from_bpe_file(kBpe, 513); }).code() ==
          ErrorCode::invalid_argument);
    CHECK(error_of([] { Tokenizer::from_bpe_file(kBpe, -1); }).code() ==
          ErrorCode::invalid_argument);
}

TEST_CASE("tokenizer: cuts what is too long, and the end mark stays last") {
    const auto tokenizer = Tokenizer::from_bpe_file(kBpe, 1024);
    const auto ids = tokenizer.encode("the dog and the cat");
    auto whole = tokenizer.encode_for_model("the dog and the cat", ids.size() + 2);
    CHECK_FALSE(whole.truncated);
    CHECK(whole.ids.size() == ids.size() + 2);
    CHECK(whole.ids.front() == 1022);
    CHECK(whole.ids.back() == 1023);
    auto cut = tokenizer.encode_for_model("the dog and the cat", ids.size() + 1);
    CHECK(cut.truncated);
    whole.ids.erase(whole.ids.end() - 2);
    CHECK(cut.ids == whole.ids);
    CHECK(tokenizer.encode_for_model("", 77).ids == std::vector<std::int32_t>{1022, 1023});
    CHECK(tokenizer.encode_for_model("the", 2).ids == std::vector<std::int32_t>{1022, 1023});
    CHECK(error_of([&] { tokenizer.encode_for_model("the", 1); }).code() ==
          ErrorCode::invalid_argument);
}

TEST_CASE("tokenizer: merges a whole pass before pairs that the pass made") {
    // "ab a" ranks before "a b": merging "abab" strictly by rank would give "aba" and "b".
    const Folder folder("passes");
    const auto file = folder.file("bpe.txt", "header\nab a\na b\n");
    const auto tokenizer = Tokenizer::from_bpe_file(file, 516);
    const std::int32_t ab = 513;
    const auto a_and_b = tokenizer.encode("ababx");
    REQUIRE(a_and_b.size() == 3);
    CHECK(a_and_b[0] == ab);
    CHECK(a_and_b[1] == ab);
    // Long words go another way to the same end.
    std::string word;
    for (int i = 0; i < 100; ++i)
        word += "ab";
    const auto many = tokenizer.encode(word + "x");
    CHECK(std::count(many.begin(), many.end(), ab) == 100);
}

TEST_CASE("tokenizer: a word of a megabyte is merged in moments") {
    const auto tokenizer = Tokenizer::from_bpe_file(kBpe, 1024);
    CHECK(tokenizer.encode(std::string(1000000, 'a')).size() <= 1000000);
    CHECK(tokenizer.encode_for_model(std::string(1000000, '!'), 77).ids.size() == 77);
}

TEST_CASE("tokenizer: takes any bytes") {
    const auto tokenizer = Tokenizer::from_bpe_file(kBpe, 1024);
    CHECK(tokenizer.encode("a\xff") == tokenizer.encode("a\u00ef\u00bf\u00bd"));
    std::string bytes;
    for (int i = 0; i < 4096; ++i)
        bytes.push_back(static_cast<char>(i * 167 >> 3));
    CHECK_FALSE(tokenizer.encode(bytes).empty());
}

TEST_CASE("tokenizer: many threads get the same ids") {
    const auto tokenizer = Tokenizer::from_bpe_file(kBpe, 1024);
    const std::string text = "caf\u00e9 &amp; the \u201cdog\u201d s\u00c3\u00b3 \uff21";
    const auto want = tokenizer.encode(text);
    std::vector<int> same(4, 0);
    std::vector<std::thread> threads;
    for (int& count : same)
        threads.emplace_back([&] {
            for (int i = 0; i < 200; ++i)
                count += tokenizer.encode(text) == want ? 1 : 0;
        });
    for (std::thread& thread : threads)
        thread.join();
    CHECK(same == std::vector<int>(4, 200));
}

TEST_CASE("tokenizer: names the file and the line of a malformed merge") {
    const Folder folder("merges");
    for (const char* bad : {"a", "a b c", " a", "a ", "", "a  b", "a \xff", "zz y"}) {
        CAPTURE(bad);
        const auto file = folder.file("bad.txt", concat("header\na b\n", bad, "\nb c\n"));
        const Error error = error_of([&] { Tokenizer::from_bpe_file(file, 517); });
        CHECK(error.code() == ErrorCode::bad_format);
        check_mentions(error, "bad.txt: line 3 ");
    }
}

TEST_CASE("tokenizer: refuses a vocabulary that is not one") {
    const Folder folder("vocab");
    const auto merges = folder.file("merges.txt", read(kBpe));
    const auto rejected = [&](const std::string& content, const std::string& reason) {
        const auto file = folder.file("vocab.json", content);
        const Error error = error_of([&] { Tokenizer::from_vocab_and_merges(file, merges); });
        CHECK(error.code() == ErrorCode::bad_format);
        check_mentions(error, reason);
    };
    const auto changed = [](const std::string& word, const nlohmann::json& id) {
        auto vocab = vocabulary();
        vocab[word] = id;
        return vocab.dump();
    };
    auto lacking = vocabulary();
    lacking.erase("<|endoftext|>");
    rejected(lacking.dump(), "lacks '<|endoftext|>'");
    lacking = vocabulary();
    lacking.erase("th");
    rejected(lacking.dump(), "merges.txt: line 3 has a word that is not in the vocabulary ('th')");
    lacking = vocabulary();
    lacking.erase("!</w>");
    rejected(lacking.dump(), "lacks '!</w>'");
    rejected(changed("a", 5), "have id 5");
    rejected(changed("a", -1), "not a whole number");
    rejected(changed("a", "x"), "not a whole number");
    rejected(changed("a", 1.5), "not a whole number");
    rejected(changed("a", 4000000000U), "too large");
    rejected(changed("a", nlohmann::json::array()), "none belong");
    rejected("{\"a\":1,\"a\":2}", "twice");
    rejected("[1,2]", "in an array");
    rejected("7", "no object of words");
    rejected("{\"a\":1", "line 1");
    rejected("", "line 1");
    rejected("{}", "lacks");
    rejected(std::string(100000, '['), "in an array");
}

TEST_CASE("tokenizer: refuses a tokenizer.json of another kind") {
    const Folder folder("kinds");
    const auto rejected = [&](const nlohmann::json& content, ErrorCode code,
                              const std::string& reason) {
        const auto file = folder.file("tokenizer.json", content.dump());
        const Error error = error_of([&] { Tokenizer::from_tokenizer_json(file); });
        CHECK(error.code() == code);
        check_mentions(error, reason);
    };
    auto model = tokenizer_json(true);
    model["model"]["type"] = "WordPiece";
    rejected(model, ErrorCode::unsupported, "WordPiece");
    model = tokenizer_json(true);
    model["model"]["end_of_word_suffix"] = "";
    rejected(model, ErrorCode::unsupported, "</w>");
    model = tokenizer_json(true);
    model["model"].erase("merges");
    rejected(model, ErrorCode::bad_format, "there are none");
    model["model"]["merges"] = {{"a", "b", "c"}};
    rejected(model, ErrorCode::bad_format, "not a pair");
    model["model"]["merges"] = {"ab"};
    rejected(model, ErrorCode::bad_format, "merge 1 is not two words");
    model["model"]["merges"] = {{"a"}};
    rejected(model, ErrorCode::bad_format, "not a pair");
    model["model"]["merges"] = {7};
    rejected(model, ErrorCode::bad_format, "not made of words");
    model["model"]["merges"] = nlohmann::json::parse("[[[\"a\", \"b\"]]]");
    rejected(model, ErrorCode::bad_format, "none belong");
    model["model"]["merges"] = nlohmann::json::object();
    rejected(model, ErrorCode::bad_format, "in an object");
    model["model"]["merges"] = {"zzz q"};
    rejected(model, ErrorCode::bad_format, "merge 1 has a word that is not in the vocabulary");
    rejected({{"model", {{"type", "BPE"}}}}, ErrorCode::bad_format, "no object of words");
    nlohmann::json deep = 1;
    for (int i = 0; i < 100; ++i)
        deep = nlohmann::json::array({deep});
    rejected({{"a", deep}}, ErrorCode::bad_format, "none belong");
}

TEST_CASE("tokenizer: survives every prefix and every changed byte of its files") {
    const Folder folder("prefixes");
    const std::string whole = tokenizer_json(true).dump();
    for (std::size_t i = 0; i < whole.size(); i += 97) {
        const auto file = folder.file("tokenizer.json", whole.substr(0, i));
        CHECK(error_of([&] { Tokenizer::from_tokenizer_json(file); }).code() ==
              ErrorCode::bad_format);
    }
    int loaded = 0;
    for (std::size_t i = 0; i < whole.size(); i += 61) {
        std::string changed = whole;
        changed[i] = static_cast<char>(changed[i] ^ (1 << i % 8));
        const auto file = folder.file("tokenizer.json", changed);
        try {
            Tokenizer::from_tokenizer_json(file).encode("a dog");
            ++loaded;
        } catch (const Error&) {
        }
    }
    CHECK(loaded < 200);
}

TEST_CASE("tokenizer: reads gzip, and refuses what is cut off, broken or far too large") {
    const Folder folder("gzip");
    const auto compressed = [&](const std::string& name, const std::string& content) {
        const std::string path = folder / name;
        const gzFile file = gzopen(path.c_str(), "wb");
        REQUIRE(gzwrite(file, content.data(), static_cast<unsigned>(content.size())) ==
                static_cast<int>(content.size()));
        gzclose(file);
        return path;
    };
    const std::string path = compressed("bpe_simple_vocab_16e6.txt.gz", read(kBpe));
    check_goldens(Tokenizer::from_bpe_file(path, 1024));
    const std::string bytes = read(path);
    const auto cut = folder.file("cut.gz", bytes.substr(0, bytes.size() / 2));
    CHECK(error_of([&] { Tokenizer::from_bpe_file(cut, 1024); }).code() == ErrorCode::truncated);
    std::string broken = bytes;
    for (std::size_t i = 20; i < 200; ++i)
        broken[i] = '\x55';
    const auto bad = folder.file("bad.gz", broken);
    CHECK(error_of([&] { Tokenizer::from_bpe_file(bad, 1024); }).code() == ErrorCode::bad_format);
    const auto bomb = compressed("bomb.gz", std::string(70U << 20, 'a'));
    check_mentions(error_of([&] { Tokenizer::from_bpe_file(bomb, 0); }), "too large");
    check_mentions(error_of([&] { Tokenizer::from_tokenizer_json(bomb); }), "too large");
}

TEST_CASE("tokenizer: says which file does not exist or is none") {
    const Folder folder("missing");
    const Error error = error_of([&] { Tokenizer::from_bpe_file(folder / "nothing", 0); });
    CHECK(error.code() == ErrorCode::not_found);
    check_mentions(error, "nothing");
    CHECK(error_of([&] { Tokenizer::from_tokenizer_json(folder.path()); }).code() ==
          ErrorCode::io_failure);
}

TEST_CASE("find_tokenizer: takes the first place that has one, and checks that it fits") {
    const Folder empty("empty");
    const Folder folder("found");
    CHECK_FALSE(find_tokenizer({}, 0));
    CHECK_FALSE(find_tokenizer({empty.path(), empty / "nothing"}, 1024));
    folder.file("bpe_simple_vocab_16e6.txt", read(kBpe));
    auto found = find_tokenizer({empty.path(), folder.path(), kBpe}, 1024);
    REQUIRE(found);
    CHECK(found->source() == folder / "bpe_simple_vocab_16e6.txt");
    folder.file("tokenizer.json", tokenizer_json(true).dump());
    CHECK(find_tokenizer({folder.path()}, 1024)->source() == folder / "tokenizer.json");
    CHECK(find_tokenizer({folder / "tokenizer.json"}, 0)->vocab_size() == 1024);
    folder.file("vocab.json", vocabulary().dump());
    CHECK(find_tokenizer({folder.path()}, 1024)->source() == folder / "tokenizer.json");
    folder.file("merges.txt", read(kBpe));
    CHECK(find_tokenizer({folder.path()}, 1024)->source() == folder / "vocab.json");
    CHECK(find_tokenizer({folder / "merges.txt"}, 1024)->source() == folder / "vocab.json");
    CHECK(find_tokenizer({kBpe, folder.path()}, 600)->vocab_size() == 600);
    const Error error = error_of([&] { find_tokenizer({folder.path()}, 49408); });
    CHECK(error.code() == ErrorCode::version_mismatch);
    check_mentions(error, "got 1024 words, want 49408");
    check_mentions(error, folder / "vocab.json");
}

TEST_CASE("tokenizer: OpenAI's file as vocab.json and merges.txt gives the same tokens") {
    const std::string bpe = CLIP_TEST_DIR "/golden/tokens_bpe.txt";
    const Tokenizer direct = Tokenizer::from_bpe_file(bpe, 0);
    const VocabularyFiles files = vocabulary_files(bpe, 0);
    const auto folder = std::filesystem::temp_directory_path() / "clip-vocabulary-files-test";
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "vocab.json") << files.vocab_json;
    std::ofstream(folder / "merges.txt") << files.merges_txt;
    const auto converted = find_tokenizer({folder.string()}, direct.vocab_size());
    std::filesystem::remove_all(folder);
    REQUIRE(converted.has_value());
    for (const char* text :
         {"a photo of a dog", "\"quoted\\\" caf\xc3\xa9", "the the 42 \xe4\xb8\xad"})
        CHECK(converted->encode(text) == direct.encode(text));
    CHECK(converted->end_id() == direct.end_id());
    CHECK(converted->same_ids(direct));
    CHECK_FALSE(direct.same_ids(Tokenizer::from_bpe_file(bpe, 1023)));
}

// SPDX-License-Identifier: MIT
// Reading vocabularies and merges.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include <nlohmann/json.hpp>
#include <zlib.h>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "data/byte_alphabet.hpp"
#include "data/symbol_table.hpp"
#include "data/text_split.hpp"
#include "data/tokenizer.hpp"

namespace clip {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
constexpr std::int64_t kBytesAndMarks = 514;
constexpr std::int64_t kOpenAiWords = 49408;
constexpr std::int32_t kMaxId = 1 << 24;

/// The content of a file, plain or gzipped, at least its first `lines` lines.
std::string read_file(const std::string& path, std::size_t lines) {
    const std::string what = concat("read the vocabulary ", path);
    errno = 0;
    const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose_r);
    if (!file)
        fail_errno(what, errno == 0 ? ENOMEM : errno);
    gzbuffer(file.get(), 1U << 17);
    std::string content;
    constexpr std::size_t kChunk = std::size_t{1} << 18;
    for (std::size_t seen = 0; seen < lines;) {
        const std::size_t size = content.size();
        content.resize(size + kChunk);
        errno = 0;
        const int got = gzread(file.get(), content.data() + size, static_cast<unsigned>(kChunk));
        content.resize(size + static_cast<std::size_t>(std::max(got, 0)));
        int error = Z_OK;
        const char* reason = gzerror(file.get(), &error);
        if (error == Z_ERRNO)
            fail_errno(what, errno);
        if (error == Z_BUF_ERROR)
            fail(ErrorCode::truncated, concat(what, ": the compressed data ends too early"));
        if (got < 0 || error < 0)
            fail(ErrorCode::bad_format, concat(what, ": ", reason));
        if (got == 0)
            break;
        if (content.size() > kMaxBytes)
            fail(ErrorCode::bad_format,
                 concat(what, ": it is too large (want at most ", kMaxBytes >> 20, " MiB)"));
        seen += static_cast<std::size_t>(
            std::count(content.begin() + static_cast<std::ptrdiff_t>(size), content.end(), '\n'));
    }
    return content;
}

} // namespace

/// Collects words with their ids and pairs that merge, then makes the tokenizer of them.
class TokenizerBuilder {
  public:
    explicit TokenizerBuilder(std::string source) : source_(std::move(source)) {}

    void reserve(std::size_t words, std::size_t bytes) {
        words_.reserve(words, bytes);
        merges_.reserve(words);
    }
    /// A word that is there already gets the new id.
    void add_word(std::string_view word, std::int32_t id) { words_.set(word, id); }
    std::optional<std::int32_t> id_of(std::string_view word) const { return words_.find(word); }
    /// `text` is "left right" and must outlive this; `place` says where it stands, such as "line
    /// 7".
    void add_merge(std::string_view text, std::size_t line) {
        const std::size_t space = text.find(' ');
        if (space == 0 || space == std::string_view::npos || space + 1 == text.size() ||
            text.find(' ', space + 1) != std::string_view::npos)
            reject(line, "is not two words with a space between them");
        merges_.push_back({text.substr(0, space), text.substr(space + 1), line});
    }
    void add_merge(std::string_view left, std::string_view right, std::size_t number) {
        merges_.push_back({left, right, number});
    }
    std::size_t merge_count() const { return merges_.size(); }
    /// What the numbers of merges count: lines of a text file or elements of a JSON array.
    void count_as(std::string file, const char* unit) {
        file_ = std::move(file);
        unit_ = unit;
    }

    /// One id a merge, in their order, after the bytes: how OpenAI's file numbers its words.
    void number_words() {
        const ByteAlphabet& alphabet = byte_alphabet();
        std::int32_t id = 0;
        for (const unsigned char b : alphabet.in_order)
            add_word(alphabet.letter[b], id++);
        std::string word;
        for (const unsigned char b : alphabet.in_order)
            add_word(word.assign(alphabet.letter[b]).append(kWordEnd), id++);
        for (const Pair& pair : merges_)
            add_word(word.assign(pair.left).append(pair.right), id++);
        add_word(kStartMark, id++);
        add_word(kEndMark, id++);
        vocab_size_ = id;
    }

    /// Checks that no id is used twice and that all are within reason.
    void check_ids() {
        std::vector<std::string_view> owners;
        words_.for_each([&](std::string_view word, std::int32_t id) {
            if (static_cast<std::size_t>(id) >= owners.size())
                owners.resize(static_cast<std::size_t>(id) + 1);
            std::string_view& owner = owners[static_cast<std::size_t>(id)];
            if (owner.data() != nullptr)
                fail(ErrorCode::bad_format,
                     concat("read the vocabulary ", source_, ": two words, '", owner, "' and '",
                            word, "', have id ", id));
            owner = word;
        });
        vocab_size_ = static_cast<std::int64_t>(owners.size());
    }

    Tokenizer build() {
        Tokenizer out;
        out.source_ = source_;
        out.vocab_size_ = vocab_size_;
        out.start_id_ = need(kStartMark);
        out.end_id_ = need(kEndMark);
        std::string word;
        for (std::size_t b = 0; b < 256; ++b) {
            word = byte_alphabet().letter[b];
            out.byte_ids_[b] = need(word);
            out.final_byte_ids_[b] = need(word.append(kWordEnd));
        }
        out.merges_.reserve(merges_.size());
        for (std::size_t rank = 0; rank < merges_.size(); ++rank) {
            const Pair& pair = merges_[rank];
            const auto left = id_of(pair.left);
            const auto right = id_of(pair.right);
            const auto result = id_of(word.assign(pair.left).append(pair.right));
            if (!left || !right || !result)
                reject(pair.line, concat("has a word that is not in the vocabulary ('",
                                         !left    ? std::string(pair.left)
                                         : !right ? std::string(pair.right)
                                                  : word,
                                         "')"));
            out.merges_.set(*left, *right, {static_cast<std::uint32_t>(rank), *result});
        }
        return out;
    }

    VocabularyFiles files() const {
        std::vector<std::string_view> words(static_cast<std::size_t>(vocab_size_));
        words_.for_each([&](std::string_view word, std::int32_t id) {
            words[static_cast<std::size_t>(id)] = word;
        });
        VocabularyFiles out;
        for (std::size_t id = 0; id < words.size(); ++id)
            if (!words[id].empty()) // a word that two merges make has the later id
                out.vocab_json += concat(out.vocab_json.empty() ? "{" : ",",
                                         nlohmann::json(words[id]).dump(), ":", id);
        out.vocab_json += "}\n";
        out.merges_txt = "#version: 0.2\n";
        for (const Pair& pair : merges_)
            out.merges_txt += concat(pair.left, " ", pair.right, "\n");
        return out;
    }

  private:
    struct Pair {
        std::string_view left;
        std::string_view right;
        std::size_t line;
    };

    [[noreturn]] void reject(std::size_t line, const std::string& why) const {
        fail(ErrorCode::bad_format,
             concat("read the merges of ", file_, ": ", unit_, " ", line, " ", why));
    }
    std::int32_t need(std::string_view word) const {
        const auto id = id_of(word);
        if (!id)
            fail(ErrorCode::bad_format, concat("read the vocabulary ", source_, ": it lacks '",
                                               word, "', which every CLIP tokenizer has"));
        return *id;
    }

    std::string source_;
    std::string file_;
    const char* unit_ = "line";
    SymbolTable words_;
    std::vector<Pair> merges_;
    std::int64_t vocab_size_ = 0;
};

namespace {

/// Adds the merges of a text file, one a line, from line `first` (0-based) on, at most `limit`.
void add_merge_lines(TokenizerBuilder& builder, std::string_view content, std::size_t first,
                     std::size_t limit) {
    std::size_t line = 0;
    while (!content.empty() && builder.merge_count() < limit) {
        const std::size_t end = content.find('\n');
        std::string_view text = content.substr(0, end);
        content.remove_prefix(end == std::string_view::npos ? content.size() : end + 1);
        if (text.ends_with('\r'))
            text.remove_suffix(1);
        ++line;
        if (line <= first || (text.empty() && content.empty()))
            continue;
        builder.add_merge(text, line);
    }
}

/// Reads {"word": id, ...}, and of a tokenizer.json the object and the merges under "model".
class VocabularyReader : public nlohmann::json_sax<nlohmann::json> {
  public:
    VocabularyReader(TokenizerBuilder& builder, const std::string& path, bool whole_model)
        : builder_(builder), path_(path), vocab_depth_(whole_model ? 3 : 1),
          whole_model_(whole_model) {}

    /// Pairs of words for the builder, which refers to them.
    std::vector<std::string> merge_words;
    bool has_merges = false;
    bool has_vocab = false;

    bool null() override { return value(); }
    bool boolean(bool) override { return value(); }
    bool number_integer(number_integer_t) override { return value(); }
    bool number_float(number_float_t, const string_t&) override { return value(); }
    bool binary(binary_t&) override { return value(); }
    bool number_unsigned(number_unsigned_t number) override {
        if (!in_vocab())
            return value();
        if (number >= kMaxId)
            reject(concat("the id of '", keys_.back(), "' is too large (got ", number, ")"));
        if (builder_.id_of(keys_.back()))
            reject(concat("'", keys_.back(), "' is there twice"));
        builder_.add_word(keys_.back(), static_cast<std::int32_t>(number));
        return true;
    }
    bool string(string_t& text) override {
        if (is_at({"model", "type"}) && text != "BPE")
            fail(ErrorCode::unsupported,
                 concat("read the tokenizer ", path_, ": not a BPE model (got '", text, "')"));
        if (is_at({"model", "end_of_word_suffix"}) && text != kWordEnd)
            fail(ErrorCode::unsupported,
                 concat("read the tokenizer ", path_, ": words do not end with '</w>' (got '", text,
                        "')"));
        if (!in_merges())
            return value();
        if (keys_.size() == 3) {
            const std::size_t space = text.find(' ');
            if (space == string_t::npos || text.find(' ', space + 1) != string_t::npos)
                reject(concat("merge ", merge_words.size() / 2 + 1,
                              " is not two words with a space between them"));
            merge_words.push_back(text.substr(0, space));
            merge_words.push_back(text.substr(space + 1));
        } else {
            merge_words.push_back(std::move(text));
            ++in_pair_;
        }
        if (merge_words.back().empty())
            reject(concat("merge ", (merge_words.size() + 1) / 2, " has an empty word"));
        return true;
    }
    bool start_object(std::size_t) override { return open(false); }
    bool key(string_t& name) override {
        keys_.back() = std::move(name);
        return true;
    }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override {
        in_pair_ = 0;
        return open(true);
    }
    bool end_array() override {
        if (in_merges() && keys_.size() == 4 && in_pair_ != 2)
            reject(concat("merge ", (merge_words.size() + 1) / 2, " is not a pair of words"));
        return close();
    }
    bool parse_error(std::size_t, const std::string&,
                     const nlohmann::json::exception& error) override {
        const std::string_view what = error.what();
        const std::size_t tag = what.find("] ");
        reject(std::string(tag == std::string_view::npos ? what : what.substr(tag + 2)));
    }

  private:
    [[noreturn]] void reject(const std::string& why) const {
        fail(ErrorCode::bad_format, concat("read the vocabulary ", path_, ": ", why));
    }
    /// Inside the object of words. In an array the key is empty.
    bool in_vocab() const {
        return keys_.size() == vocab_depth_ &&
               (!whole_model_ || (keys_[0] == "model" && keys_[1] == "vocab"));
    }
    bool in_merges() const {
        return whole_model_ && keys_.size() >= 3 && keys_[0] == "model" && keys_[1] == "merges";
    }
    bool is_at(std::initializer_list<std::string_view> path) const {
        return whole_model_ && std::equal(keys_.begin(), keys_.end(), path.begin(), path.end());
    }
    /// A value that is looked for nowhere.
    bool value() const {
        if (in_vocab())
            reject(concat("the id of '", keys_.back(), "' is not a whole number"));
        if (in_merges())
            reject("a merge is not made of words");
        return true;
    }
    bool open(bool array) {
        constexpr std::size_t kMaxDepth = 64;
        if (in_vocab() || (in_merges() && keys_.size() > 3) || keys_.size() >= kMaxDepth)
            reject("arrays or objects where none belong");
        keys_.emplace_back();
        if (array ? in_vocab() : in_merges())
            reject(array ? "the words are in an array (want an object)"
                         : "the merges are in an object (want an array)");
        has_vocab = has_vocab || in_vocab();
        has_merges = has_merges || in_merges();
        return true;
    }
    bool close() {
        keys_.pop_back();
        return true;
    }

    TokenizerBuilder& builder_;
    const std::string& path_;
    std::vector<std::string> keys_; ///< of the objects and arrays that are open
    std::size_t vocab_depth_;
    bool whole_model_;
    int in_pair_ = 0;
};

/// Reads a JSON file into `reader`.
void read_json(const std::string& path, VocabularyReader& reader, TokenizerBuilder& builder) {
    const std::string content = read_file(path, std::string::npos);
    // A word takes about 17 bytes of JSON.
    builder.reserve(content.size() / 16, content.size());
    nlohmann::json::sax_parse(content, &reader);
    if (!reader.has_vocab)
        fail(ErrorCode::bad_format,
             concat("read the vocabulary ", path, ": it holds no object of words"));
    builder.check_ids();
}

/// Calls `use` with a builder that holds the merges and numbered words of OpenAI's file.
template <typename Use>
auto with_bpe_file(const std::string& path, std::int64_t vocab_size, const Use& use) {
    if (vocab_size != 0 && (vocab_size < kBytesAndMarks || vocab_size > kMaxId))
        fail(ErrorCode::invalid_argument,
             concat("load the tokenizer ", path, ": impossible size of a vocabulary (got ",
                    vocab_size, ", want ", kBytesAndMarks, " to ", kMaxId, ")"));
    const auto merges =
        static_cast<std::size_t>((vocab_size == 0 ? kOpenAiWords : vocab_size) - kBytesAndMarks);
    const std::string content = read_file(path, merges + 1);
    TokenizerBuilder builder(path);
    builder.count_as(path, "line");
    builder.reserve(std::min(merges, content.size()) + 600, content.size());
    add_merge_lines(builder, content, 1, merges);
    if (vocab_size != 0 && builder.merge_count() < merges)
        fail(ErrorCode::truncated, concat("read the merges of ", path,
                                          ": there are too few for the model's vocabulary (got ",
                                          builder.merge_count(), ", want ", merges, ")"));
    builder.number_words();
    return use(builder);
}

} // namespace

Tokenizer Tokenizer::from_bpe_file(const std::string& path, std::int64_t vocab_size) {
    return with_bpe_file(path, vocab_size,
                         [](TokenizerBuilder& builder) { return builder.build(); });
}

VocabularyFiles vocabulary_files(const std::string& bpe_file, std::int64_t vocab_size) {
    return with_bpe_file(bpe_file, vocab_size,
                         [](const TokenizerBuilder& builder) { return builder.files(); });
}

Tokenizer Tokenizer::from_vocab_and_merges(const std::string& vocab_json,
                                           const std::string& merges_txt) {
    TokenizerBuilder builder(vocab_json);
    VocabularyReader reader(builder, vocab_json, false);
    read_json(vocab_json, reader, builder);
    const std::string content = read_file(merges_txt, std::string::npos);
    builder.count_as(merges_txt, "line");
    add_merge_lines(builder, content, content.starts_with("#version") ? 1 : 0,
                    std::numeric_limits<std::size_t>::max());
    return builder.build();
}

Tokenizer Tokenizer::from_tokenizer_json(const std::string& path) {
    TokenizerBuilder builder(path);
    VocabularyReader reader(builder, path, true);
    read_json(path, reader, builder);
    if (!reader.has_merges)
        fail(ErrorCode::bad_format, concat("read the merges of ", path, ": there are none"));
    builder.count_as(path, "merge");
    for (std::size_t i = 0; i + 1 < reader.merge_words.size(); i += 2)
        builder.add_merge(reader.merge_words[i], reader.merge_words[i + 1], i / 2 + 1);
    return builder.build();
}

} // namespace clip

// SPDX-License-Identifier: MIT
#include "data/tokenizer.hpp"

#include <filesystem>
#include <limits>
#include <system_error>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "data/text_clean.hpp"
#include "data/text_split.hpp"

namespace clip {
namespace {

bool is_file(const std::filesystem::path& path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    return !error && std::filesystem::exists(status) && !std::filesystem::is_directory(status);
}

std::optional<Tokenizer> find_in_folder(const std::filesystem::path& folder,
                                        std::int64_t vocab_size) {
    if (is_file(folder / "vocab.json") && is_file(folder / "merges.txt"))
        return Tokenizer::from_vocab_and_merges((folder / "vocab.json").string(),
                                                (folder / "merges.txt").string());
    if (is_file(folder / "tokenizer.json"))
        return Tokenizer::from_tokenizer_json((folder / "tokenizer.json").string());
    for (const char* name : {"bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt"})
        if (is_file(folder / name))
            return Tokenizer::from_bpe_file((folder / name).string(), vocab_size);
    return std::nullopt;
}

Tokenizer open_file(const std::filesystem::path& file, std::int64_t vocab_size) {
    const std::filesystem::path name = file.filename();
    if (name == "vocab.json" || name == "merges.txt")
        return Tokenizer::from_vocab_and_merges((file.parent_path() / "vocab.json").string(),
                                                (file.parent_path() / "merges.txt").string());
    if (file.extension() == ".json")
        return Tokenizer::from_tokenizer_json(file.string());
    return Tokenizer::from_bpe_file(file.string(), vocab_size);
}

} // namespace

std::vector<std::int32_t> Tokenizer::encode_until(std::string_view text, std::size_t enough) const {
    const std::string cleaned = clean_text(text);
    std::vector<std::int32_t> ids;
    WordSplitter words(cleaned);
    while (ids.size() <= enough) {
        const auto word = words.next();
        if (!word)
            break;
        if (*word == kStartMark)
            ids.push_back(start_id_);
        else if (*word == kEndMark)
            ids.push_back(end_id_);
        else
            append_word_ids(ids, *word, byte_ids_, final_byte_ids_, merges_);
    }
    return ids;
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
    return encode_until(text, std::numeric_limits<std::size_t>::max());
}

TokenizedText Tokenizer::encode_for_model(std::string_view text, std::size_t context_length) const {
    if (context_length < 2)
        fail(ErrorCode::invalid_argument,
             concat("tokenize a text: the context has no place for it (got ", context_length,
                    " tokens, want at least 2)"));
    const std::size_t places = context_length - 2;
    TokenizedText out;
    out.ids = encode_until(text, places);
    if (out.ids.size() > places) {
        out.truncated = true;
        out.ids.resize(places);
    }
    out.ids.insert(out.ids.begin(), start_id_);
    out.ids.push_back(end_id_);
    return out;
}

bool Tokenizer::same_ids(const Tokenizer& other) const {
    return byte_ids_ == other.byte_ids_ && final_byte_ids_ == other.final_byte_ids_ &&
           start_id_ == other.start_id_ && end_id_ == other.end_id_ &&
           merges_.in_order() == other.merges_.in_order();
}

std::optional<Tokenizer> find_tokenizer(const std::vector<std::string>& places,
                                        std::int64_t vocab_size) {
    for (const std::string& place : places) {
        std::optional<Tokenizer> found;
        if (is_file(place))
            found = open_file(place, vocab_size);
        else
            found = find_in_folder(place, vocab_size);
        if (!found)
            continue;
        if (vocab_size > 0 && found->vocab_size() != vocab_size)
            fail(ErrorCode::version_mismatch,
                 concat("load the tokenizer ", found->source(),
                        ": its vocabulary is not the model's (got ", found->vocab_size(),
                        " words, want ", vocab_size, ")"));
        return found;
    }
    return std::nullopt;
}

} // namespace clip

// SPDX-License-Identifier: MIT
// CLIP's tokenizer: lower-cased byte-level BPE.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/bpe.hpp"

namespace clip {

/// A text as the text tower takes it.
struct TokenizedText {
    std::vector<std::int32_t> ids; ///< start mark, tokens, end mark; no padding
    bool truncated = false;        ///< the text was too long and was cut
};

/// Turns texts into token ids. Its const functions may be called from any number of threads.
///
/// A vocabulary is 256 bytes, the same 256 at the end of a word, one id a merge, and the marks of
/// start and end. Files are not trusted: whatever is wrong with one is bad_format (or truncated),
/// and the message names the file and, where there are lines, the line.
class Tokenizer {
  public:
    /// OpenAI's bpe_simple_vocab_16e6.txt, plain or gzipped: a header line, then a merge a line.
    /// `vocab_size` decides how many merges are used: vocab_size - 514; 0 is all that OpenAI's
    /// models use (49,408), or as many as there are.
    /// Errors: not_found, io_failure, bad_format, truncated (fewer merges than `vocab_size` needs),
    /// invalid_argument (a vocab_size below 514).
    static Tokenizer from_bpe_file(const std::string& path, std::int64_t vocab_size);

    /// The vocab.json and merges.txt of a transformers folder.
    /// Errors: not_found, io_failure, bad_format.
    static Tokenizer from_vocab_and_merges(const std::string& vocab_json,
                                           const std::string& merges_txt);

    /// The tokenizer.json of a transformers folder: a BPE model whose words end with "</w>". What
    /// it says of normalising and splitting is not read: a CLIP tokenizer always does the same.
    /// Errors: not_found, io_failure, bad_format, unsupported (another kind of model).
    static Tokenizer from_tokenizer_json(const std::string& path);

    /// The tokens of a text (UTF-8, cleaned here), without the marks of start and end. The marks'
    /// spellings inside the text become their ids, as in the reference.
    std::vector<std::int32_t> encode(std::string_view text) const;

    /// At most `context_length` ids. Of a text that is too long the first tokens are kept, and the
    /// end mark comes last. Errors: invalid_argument (a context length below 2).
    TokenizedText encode_for_model(std::string_view text, std::size_t context_length) const;

    std::int32_t start_id() const { return start_id_; }
    std::int32_t end_id() const { return end_id_; }
    /// The largest id plus one.
    std::int64_t vocab_size() const { return vocab_size_; }
    /// Whether the other one gives every text the same ids: their files may differ.
    bool same_ids(const Tokenizer& other) const;
    /// The file it came from, for messages.
    const std::string& source() const { return source_; }

  private:
    friend class TokenizerBuilder;
    Tokenizer() = default;
    /// Stops after the word with which there are more than `enough` ids.
    std::vector<std::int32_t> encode_until(std::string_view text, std::size_t enough) const;

    std::array<std::int32_t, 256> byte_ids_{};
    std::array<std::int32_t, 256> final_byte_ids_{};
    MergeTable merges_;
    std::int32_t start_id_ = 0;
    std::int32_t end_id_ = 0;
    std::int64_t vocab_size_ = 0;
    std::string source_;
};

/// The first tokenizer among `places`, in their order. A folder is searched for vocab.json with
/// merges.txt, tokenizer.json, bpe_simple_vocab_16e6.txt.gz and bpe_simple_vocab_16e6.txt; a file
/// is used as it is, by its name's ending; what does not exist is passed over. `vocab_size` is the
/// model's, 0 for any. Nothing where no place has one. Errors: those of the readers above, and
/// version_mismatch where the vocabulary that was found is not of the model's size.
std::optional<Tokenizer> find_tokenizer(const std::vector<std::string>& places,
                                        std::int64_t vocab_size);

/// What the vocab.json and the merges.txt of a transformers folder hold.
struct VocabularyFiles {
    std::string vocab_json;
    std::string merges_txt;
};

/// The vocabulary of OpenAI's bpe_simple_vocab_16e6.txt in transformers' two files; arguments and
/// errors are those of Tokenizer::from_bpe_file().
VocabularyFiles vocabulary_files(const std::string& bpe_file, std::int64_t vocab_size);

} // namespace clip

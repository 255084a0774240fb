// SPDX-License-Identifier: MIT
// The candidates of a command line, in order: rows of embedding files as they lie there, and all
// other inputs as they come. Each has an ordinal, counted from 0 over those that can be compared.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/failure_log.hpp"
#include "app/input_vectors.hpp"
#include "app/rank.hpp"
#include "search/row_block.hpp"
#include "search/row_set.hpp"

namespace clip::app {

/// What a record says of a candidate.
struct Candidate {
    std::string item; ///< a path's raw bytes, or a text
    bool has_item = true;
    bool is_text = false;
    std::string extra;     ///< carried members
    std::string file;      ///< the embedding file that it is a row of, else empty
    std::int64_t row = -1; ///< of that file, from 0
    std::string name;      ///< where there is no item: "list.jsonl:42"
    bool failed = false;   ///< what the file says of it cannot be read
};

/// Candidates that are gone through together.
struct CandidateBlock {
    const RowSet& rows;
    std::uint64_t first_ordinal;
    const io::EmbeddingReader* file = nullptr; ///< null: `inputs` are what the rows are of
    std::span<Input> inputs;
};

class Candidates {
  public:
    /// All arguments must outlive this. `own_keys`: as InputSourceOptions.
    Candidates(const RankOptions& options, std::vector<std::string_view> own_keys,
               EmbeddingSpace& space, InputVectors& vectors, FailureLog& failures,
               Reporter& reporter);

    /// Opens each embedding file once, so that files of different models are found out before any
    /// work. Those that cannot be read go to the failure log. Errors: version_mismatch.
    void check_files();

    /// Calls `visit` with all candidates in order. It appends rows that cannot be used to `bad`,
    /// and to `taken` the ordinals that look_up() will be asked for; others are forgotten.
    /// Errors: those of InputVectors and of `visit`.
    using Visit = std::function<void(const CandidateBlock& block, std::vector<BadRows>& bad,
                                     std::vector<std::uint64_t>& taken)>;
    void for_each(const Visit& visit);

    /// All candidates at once, one set an embedding file and one for all inputs between two files.
    /// Rows of other inputs are kept in memory.
    std::vector<std::unique_ptr<RowSet>> open_all();

    /// Names rows that `find_duplicates` could not use.
    void report(std::span<const BadRows> bad);

    /// What is known of candidates, for ascending ordinals. Embedding files are opened again. Rows
    /// whose items cannot be read go to the failure log.
    /// Errors: io_failure (a file was changed meanwhile), and those of opening it.
    std::vector<Candidate> look_up(std::span<const std::uint64_t> ordinals);

    /// Carried members of an embedding file's row, less keys of an earlier command that this one
    /// writes itself. Errors: bad_format (a key twice).
    std::string carried(const io::EmbeddingReader::Item& item) const;

    /// Forgets all but these (ascending) of what `taken` said.
    void keep_only(std::span<const std::uint64_t> ordinals);
    /// How many candidates look_up() could be asked for, of those that are in no file.
    std::size_t kept() const { return kept_.size(); }

    /// Candidates that came, and how many of them cannot be compared.
    std::uint64_t seen() const { return positions_; }
    std::uint64_t unusable() const { return unusable_; }
    /// Those that have an ordinal.
    std::uint64_t count() const { return next_ordinal_; }
    /// How many there are, where that can be known.
    std::optional<std::uint64_t> total() const;

  private:
    /// An embedding file, or operands that are read as a stream.
    struct Source {
        std::string file;                  ///< "-" for an HDF5 file on standard input
        std::vector<std::string> operands; ///< where `file` is empty
        std::int64_t rows = -1;            ///< of a file that was looked at
        bool failed = false;
        std::optional<std::uint64_t> first_ordinal, first_position;
        std::unique_ptr<io::EmbeddingReader> open; ///< where it cannot be opened again
    };

    bool is_embedding_file(const std::string& operand) const;
    io::EmbeddingReader& open(Source& source, std::unique_ptr<io::EmbeddingReader>& opened);
    const io::EmbeddingReader* open_checked(Source& source,
                                            std::unique_ptr<io::EmbeddingReader>& opened);
    void fail_file(Source& source, const Error& error);
    /// Names a row of an embedding file, or `count` of them.
    void fail_rows(const Source& source, std::uint64_t row, std::uint64_t count,
                   const Error& error);
    Candidate candidate_of(const Source& source, std::int64_t row,
                           io::EmbeddingReader::Item item) const;
    void visit_file(Source& source, const Visit& visit);
    void stream(Source& source, const std::function<void(std::vector<Input>& batch)>& visit);
    void keep(Input& input, std::uint64_t ordinal);
    Source* source_of(std::uint64_t ordinal);

    const RankOptions& options_;
    std::vector<std::string_view> own_keys_;
    EmbeddingSpace& space_;
    InputVectors& vectors_;
    FailureLog& failures_;
    Reporter& reporter_;
    std::vector<Source> sources_;
    std::uint64_t next_ordinal_ = 0, positions_ = 0, unusable_ = 0;
    std::unordered_map<std::uint64_t, Candidate> kept_;
    std::vector<std::vector<float>> in_memory_; ///< of open_all()
};

} // namespace clip::app

// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "io/embedding_file.hpp"
#include "io/embedding_journal.hpp"
#include "io/output_stream.hpp"

namespace clip::app {

/// The format that a file's name ends in, else the one of --format (JSON lines where that is
/// empty). Errors: invalid_argument (an unknown format, or another one than the name says).
io::EmbeddingFormat choose_format(const std::string& path, const std::string& format);

/// Refuses what would cost data: an output named like a picture, and --errors into the output or
/// its FILE.part. Streams can be anything. Errors: invalid_argument.
void check_outputs(const std::string& path, const std::string& errors);

/// Where the rows of a run go: through a journal to a file, or straight to a stream.
class EmbeddingOutput {
  public:
    /// `path` empty or "-" is standard output.
    /// Errors: invalid_argument (binary data to a terminal, --resume without a file), and those of
    /// EmbeddingJournal and create_embedding_file.
    /// `default_settings`: as JournalOptions.
    EmbeddingOutput(const std::string& path, io::EmbeddingFormat format,
                    const io::EmbeddingHeader& header, bool resume,
                    const std::string& default_settings);

    /// The row that an earlier run has for this item.
    std::optional<io::KnownRow> known(std::string_view item, bool is_text);
    /// The next row is one of an earlier run, with the keys that its input carries now.
    void reuse(io::KnownRow row, std::string_view extra);
    void append(const io::EmbeddingRow& row);
    /// Makes the rows so far safe from a kill, or visible to who reads the pipe.
    void flush();
    /// Completes the output.
    void finish();
    /// Whether finish() would put nothing in the place of rows that are there.
    bool would_only_remove() const { return journal_ && journal_->would_only_remove(); }
    /// Rows of an earlier run that no input asked for.
    std::uint64_t unused() const { return journal_ ? journal_->unused() : 0; }
    /// "12 rows are kept in FILE.part; the same command with --resume goes on from there"; empty
    /// where none are.
    std::string kept_message() const;
    /// Ends after an interruption: a stream is completed with the rows so far; of a file they are
    /// kept for --resume. Returns a message for the user, may be empty.
    std::string stop();

    std::uint64_t rows() const { return rows_; }

  private:
    std::string path_;
    std::unique_ptr<io::EmbeddingJournal> journal_;
    std::unique_ptr<io::OutputStream> standard_output_;
    std::unique_ptr<io::EmbeddingWriter> writer_;
    std::uint64_t rows_ = 0;
};

} // namespace clip::app

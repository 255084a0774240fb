// SPDX-License-Identifier: MIT
// The journal behind `-o FILE` and `--resume`: rows go to FILE.part as they are finished, and FILE
// is written whole at the end (lib/README.md, "Resume is a journal").
//
//     EmbeddingJournal journal({path, format, header, resume});
//     for each input, in order:
//         if (auto row = journal.lookup(item, is_text)) journal.reuse(*row, extra);
//         else { compute; journal.append(row); }
//     journal.flush() after each batch;  journal.finish() when all inputs are done
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "io/embedding_file.hpp"

namespace clip::io {

struct JournalOptions {
    std::string path; ///< FILE; not a stream target (is_stream_target())
    EmbeddingFormat format = EmbeddingFormat::h5;
    EmbeddingHeader header;
    bool resume = false;
    /// What `header.settings` is where no option was given. A FILE that does not record its
    /// settings is taken from only by a run with these.
    std::string default_settings;
};

/// A row of an earlier run.
struct KnownRow {
    std::uint64_t place = 0;
};

/// One run that writes FILE. It holds FILE.part locked while it lives.
///
/// A run that is killed at any moment leaves FILE as it was (or complete) and FILE.part with all
/// rows that were flushed. A destructor without finish() does the same, which is what Ctrl-C wants;
/// a FILE.part without rows is removed. Memory: the items of earlier rows, 16 bytes an input.
class EmbeddingJournal {
  public:
    /// Without `resume` an earlier FILE.part is begun anew. With it, the rows of FILE.part and
    /// those of FILE are known: FILE as .h5 or .jsonl (an .npy holds no items). Rows of FILE.part
    /// win.
    ///
    /// Errors: version_mismatch (rows of another model, settings, precision or width: names what
    /// differs; rows of unknown settings, where this run's are not the default),
    /// io_failure (another run is writing FILE; no permission; disk full), not_found (no folder),
    /// bad_format (FILE or FILE.part is not what it should be).
    explicit EmbeddingJournal(const JournalOptions& options);
    ~EmbeddingJournal();
    EmbeddingJournal(const EmbeddingJournal&) = delete;
    EmbeddingJournal& operator=(const EmbeddingJournal&) = delete;

    /// The row of an earlier run for this item. An item that comes twice has the same row twice.
    /// `item` is a path's raw bytes or a text.
    std::optional<KnownRow> lookup(std::string_view item, bool is_text);
    /// The next row of FILE is one of an earlier run, with the keys that its input carries now.
    void reuse(KnownRow row, std::string_view extra);
    /// The next row of FILE is new. Errors: as EmbeddingWriter::append(), and flush().
    void append(const EmbeddingRow& row);
    /// Writes what was appended to FILE.part; after it a kill cannot take these rows away.
    /// append() does it by itself every 4 MiB. Errors: io_failure (and then the rows that were
    /// flushed before are safe, and this run cannot go on).
    void flush();

    /// Writes FILE from all rows in the order of append() and reuse(), then removes FILE.part.
    /// Errors: io_failure; FILE is then as it was, and FILE.part whole.
    void finish();

    /// Rows that this run has so far.
    std::uint64_t rows() const;
    /// Items of earlier runs, each counted once.
    std::uint64_t known() const;
    /// Known items that lookup() was not asked for. After finish() they are gone.
    std::uint64_t unused() const;
    /// Whether this run has no row, and finish() would take away rows of an earlier one (or a FILE
    /// that is something else).
    bool would_only_remove() const;
    /// Rows in FILE.part that stay there when this goes without finish(), or after it failed.
    std::uint64_t kept() const;
    /// Bytes at the end of FILE.part that a kill had left half-written, now dropped.
    std::uint64_t dropped_bytes() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace clip::io

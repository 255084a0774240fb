// SPDX-License-Identifier: MIT
// FILE.part, byte by byte. What it means for a run is in embedding_journal.hpp. Internal to io.
//
//   "CLIPPART" and the version (u32), then records: length (u32), CRC-32 of the payload (u32),
//   payload. The first payload is the header as a JSON object. Every other one begins with a byte:
//     'R'  a row: kind (u8), item length (u32), item, extra length (u32), extra, D float32
//     'X'  carried keys of a row that is used again: extra
//   All numbers little-endian.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "io/embedding_file.hpp"

namespace clip::io {

class JournalFile {
  public:
    /// Opens `path` or makes it, and locks it for this run.
    /// Errors: io_failure (also: another run holds it), not_found (no such folder).
    JournalFile(const std::string& path, const std::string& target_name);
    /// Closes, and removes a file that holds no row.
    ~JournalFile();
    JournalFile(const JournalFile&) = delete;
    JournalFile& operator=(const JournalFile&) = delete;

    /// Whether there is a journal to read; false for a new file, or one cut off in its header.
    /// Errors: bad_format (something else of that name, or a damaged header), version_mismatch.
    bool read_header(EmbeddingHeader& header);
    /// Begins anew with `header`. Errors: io_failure; bad_format (the file is something else).
    void start(const EmbeddingHeader& header);
    /// Calls `visit` with each whole row and its offset, then cuts off what follows the last whole
    /// record. Returns how many bytes that were.
    std::uint64_t scan(const EmbeddingHeader& header,
                       const std::function<void(std::uint64_t offset, std::string_view item,
                                                bool is_text)>& visit);

    /// Appends a record to the block in memory; returns the offset that it will have.
    std::uint64_t add_row(const EmbeddingRow& row);
    std::uint64_t add_extra(std::string_view extra);
    std::size_t pending_bytes() const { return block_.size(); }
    /// Rows that are in the file, whatever happens next.
    std::uint64_t rows() const { return rows_; }
    /// Writes the block with one call. Errors: io_failure; the file is then as it was before.
    void flush();

    /// Reads a row back. Errors: io_failure, bad_format (changed since it was written).
    void read_row(std::uint64_t offset, EmbeddingRow& row);
    std::string read_extra(std::uint64_t offset);

    /// Removes the file, with its lock.
    void remove();

  private:
    void lock(const std::string& target_name);
    void begin_record();
    void end_record(std::size_t start);
    std::string_view payload_at(std::uint64_t offset);
    std::string_view window(std::uint64_t offset, std::size_t size);

    std::string path_;
    int fd_ = -1;
    std::uint64_t end_ = 0;          // of whole records on disk
    std::uint64_t rows_ = 0;         // on disk
    std::uint64_t pending_rows_ = 0; // in block_
    bool removable_ = false;         // holds no row, so that nothing is lost with it
    std::size_t dim_ = 0;
    std::string block_;  // records not written yet
    std::string window_; // bytes of the file, from window_at_
    std::uint64_t window_at_ = 0;
};

} // namespace clip::io

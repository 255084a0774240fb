// SPDX-License-Identifier: MIT
// Reading the HDF5 form of an embedding file (layout: embedding_file.hpp), trusting nothing in it.
//
// The HDF5 library has no part in it: on files with changed bytes 1.10.8 crashes, in its heap of
// strings and elsewhere, and it lets one thread read at a time. What io/hdf5/ reads instead is what
// h5py, MATLAB and this toolkit write: all versions of superblocks and object headers, contiguous,
// compact and chunked storage, strings of both kinds, both byte orders, the filters gzip, shuffle
// and fletcher32. What it does not read it refuses by name.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/embedding_file.hpp"

namespace clip::io {

class EmbeddingReader {
  public:
    /// Opens `path`; "-" reads standard input to its end.
    ///
    /// Types, ranks and sizes of all datasets are checked here, also that as many rows are stored
    /// as are declared. That takes time and memory for each chunk, not for each row.
    /// Errors: not_found, io_failure, bad_format (not HDF5, or not an embedding file: says what is
    /// missing), version_mismatch (a major version this build does not know), truncated,
    /// unsupported (a way of storing that this build does not read: another filter, more attributes
    /// or datasets than fit an object header of the newest format).
    static EmbeddingReader open(const std::string& path);
    EmbeddingReader(EmbeddingReader&&) noexcept;
    EmbeddingReader& operator=(EmbeddingReader&&) noexcept;
    ~EmbeddingReader();

    const EmbeddingHeader& header() const;
    /// N.
    std::int64_t rows() const;
    bool has_extra() const;

    /// Whether rows are stored as they are read: without filters, and in no chunks that cut them.
    /// Then blocks of any size cost the same; else whole chunks are decoded, by each thread that
    /// needs one, and blocks should be multiples of block_rows().
    bool stores_plain_rows() const;
    /// How many rows to ask for at a time: those of a chunk, or of about a mebibyte, at least 1.
    /// Blocks that begin at its multiples are read without touching any chunk twice.
    std::int64_t block_rows() const;

    /// Rows [first, first + count) as float32 into `out` (count, D). Any thread may call it, and
    /// every const function here.
    /// Errors: invalid_argument (rows that are not there), bad_format (a value that is not finite,
    /// or a chunk that does not decode), truncated, io_failure; all name the row.
    void read_rows(std::int64_t first, std::int64_t count, float* out) const;
    /// The same as header().store: `out` has count * D elements of 2 or 4 bytes. Values are not
    /// looked at.
    void read_rows_raw(std::int64_t first, std::int64_t count, void* out) const;

    struct Item {
        std::string item; ///< a path's raw bytes, or a text
        bool is_text = false;
        std::string extra; ///< carried members, as InputRecord::extra
    };
    /// Items of rows [first, first + count). Errors: as read_rows(); bad_format (not UTF-8, a kind
    /// that is neither 0 nor 1, carried keys that are not a JSON object).
    std::vector<Item> read_items(std::int64_t first, std::int64_t count) const;
    /// Items of single rows, which ascend, without reading those between them.
    /// Errors: as read_items(); invalid_argument (rows that do not ascend).
    std::vector<Item> read_items_at(std::span<const std::int64_t> rows) const;

    /// What the file is called in messages.
    const std::string& name() const;

  private:
    struct State;
    explicit EmbeddingReader(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// Whether the file at `path` begins like an HDF5 file. False for what cannot be read, and for
/// pipes (looking at one would take bytes from it).
bool looks_like_hdf5(const std::string& path);

} // namespace clip::io

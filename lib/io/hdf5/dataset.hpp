// SPDX-License-Identifier: MIT
// Datasets of rank 1 and 2, read row by row without the HDF5 library.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/hdf5/byte_source.hpp"
#include "io/hdf5/chunk_index.hpp"
#include "io/hdf5/datatype.hpp"
#include "io/hdf5/filters.hpp"
#include "io/hdf5/layout.hpp"

namespace clip::io::hdf5 {

/// Opened in two steps, so that what a file declares can be looked at before time and memory go
/// into it. Many threads may read() at once.
class Dataset {
  public:
    /// The dataset whose object header is at `address`; `what` is what messages call it. `file`
    /// outlives it.
    /// Errors: bad_format (not a dataset, data in another file), truncated, unsupported,
    /// io_failure.
    Dataset(const ByteSource& file, std::uint64_t address, std::string what);

    const std::string& what() const { return what_; }
    const Datatype& type() const { return type_; }
    const Dataspace& space() const { return space_; }
    std::uint64_t rows() const { return grid_.rows; }
    std::uint64_t columns() const { return grid_.columns; }
    std::uint64_t row_bytes() const { return grid_.columns * type_.size; }

    /// Finds the data. To be called once, for a rank of 1 or 2, before read().
    /// Errors: bad_format (chunks of more than 256 MiB), truncated (less is stored than declared),
    /// unsupported, io_failure.
    void locate();
    /// Whether rows are in the file as they are: no filters, no chunk that cuts rows.
    bool stores_plain_rows() const;
    /// Rows of a chunk, or of about a mebibyte; at least 1.
    std::uint64_t block_rows() const;
    /// Copies rows [first, first + count), which are there, as they are stored.
    /// Errors: bad_format (data that does not decode), truncated, io_failure; all name the row.
    void read(std::uint64_t first, std::uint64_t count, void* out) const;

  private:
    struct Decoded {
        std::size_t index;
        std::string bytes;
    };
    void locate_chunks();
    bool is_filtered(std::size_t index) const;
    void read_run(std::uint64_t address, std::uint64_t bytes, std::uint64_t first,
                  std::uint64_t row_bytes, void* out) const;
    void read_part(std::size_t index, std::uint64_t within, std::uint64_t count,
                   std::uint64_t first, void* out) const;
    std::shared_ptr<const Decoded> decode(std::size_t index) const;

    const ByteSource* file_;
    std::string what_;
    Datatype type_;
    Dataspace space_;
    Layout layout_;
    std::vector<Filter> filters_;
    ChunkGrid grid_;
    std::uint64_t chunk_row_bytes_ = 0;
    std::vector<Chunk> chunks_;

    /// Chunks without their filters, for the next read; a unique_ptr so that this can be moved.
    struct Cache {
        std::mutex mutex;
        std::deque<std::shared_ptr<const Decoded>> chunks;
        std::size_t bytes = 0;
    };
    std::unique_ptr<Cache> cache_;
};

} // namespace clip::io::hdf5

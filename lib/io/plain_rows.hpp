// SPDX-License-Identifier: MIT
// Rows of /embedding that lie in the file as they are in memory, read past HDF5. Internal to io.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/hdf5/byte_source.hpp"
#include "io/hdf5/chunk_tree.hpp"
#include "io/hdf5_handle.hpp"

namespace clip::io {

/// Where each row of a dataset is. Many threads may read at once.
class PlainRows {
  public:
    /// Null where rows are not plain: filters, other element types, a chunk that cuts rows, an
    /// index of a newer kind, a file that is not one regular file.
    /// `dataset` (rows, columns) is open in `file`; `what` is what messages call it.
    /// Errors: bad_format, truncated (a chunk that is not in the file), io_failure.
    static std::unique_ptr<const PlainRows> find(hid_t file, hid_t dataset, std::uint64_t rows,
                                                 std::uint64_t columns, const std::string& what);

    /// Rows [first, first + count), which are there, to `out`.
    /// Errors: truncated (the file has become shorter), io_failure.
    void read(std::uint64_t first, std::uint64_t count, void* out) const;

  private:
    PlainRows(int fd, std::uint64_t base, std::string what);
    void read_run(std::uint64_t address, std::uint64_t row, std::uint64_t count, void* out) const;

    hdf5::ByteSource bytes_;
    std::string what_;
    std::uint64_t row_bytes_ = 0;
    std::uint64_t start_ = 0;      // of contiguous rows
    std::uint64_t chunk_rows_ = 0; // 0: contiguous
    std::vector<hdf5::Chunk> chunks_;
};

} // namespace clip::io

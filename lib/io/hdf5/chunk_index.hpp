// SPDX-License-Identifier: MIT
// Where the chunks of a dataset are, whatever index the file has for them.
// Source: HDF5 File Format Specification Version 3.0, section III.A.1 and appendix C.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/hdf5/byte_source.hpp"
#include "io/hdf5/layout.hpp"

namespace clip::io::hdf5 {

/// How a dataset of rank 1 or 2 is cut into chunks. A rank of 1 has one column.
struct ChunkGrid {
    int rank = 1;
    std::uint64_t rows = 0, columns = 1;             ///< of the dataset
    std::uint64_t chunk_rows = 1, chunk_columns = 1; ///< none is 0
    std::uint64_t most_rows = 0, most_columns = 1;   ///< what it may grow to

    std::uint64_t down() const { return (rows + chunk_rows - 1) / chunk_rows; }
    std::uint64_t across() const { return (columns + chunk_columns - 1) / chunk_columns; }
};

struct Chunk {
    std::uint64_t address = kNowhere; ///< kNowhere: never written
    std::uint64_t stored = 0;         ///< bytes in the file
    std::uint32_t skipped = 0;        ///< filters that were left out, a bit each
};

/// The chunks of `grid`, row by row: grid.down() * grid.across() of them. Those in the file lie
/// within it. Time and memory go with the number of chunks, of which there are never more than the
/// file could name.
///
/// `chunk_bytes` is the size of a chunk in memory; `filtered` says whether it is stored in another.
/// Errors: bad_format, truncated (also: fewer bytes than that many chunks would take), unsupported
/// (a dataset that grows by columns), io_failure.
std::vector<Chunk> read_chunks(const ByteSource& file, const Layout& layout, const ChunkGrid& grid,
                               std::uint64_t chunk_bytes, bool filtered, const std::string& what);

} // namespace clip::io::hdf5

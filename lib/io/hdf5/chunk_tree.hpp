// SPDX-License-Identifier: MIT
// Where the chunks of a dataset are, from the B-tree of version 1 that indexes them.
// Source: HDF5 File Format Specification Version 3.0, section III.A.1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/hdf5/byte_source.hpp"
#include "io/hdf5/chunk_index.hpp"

namespace clip::io::hdf5 {

/// The chunks of `grid`, row by row: grid.down() * grid.across() of them. Those in the file lie
/// within it. Time and memory go with the number of chunks.
/// Errors: bad_format, truncated, io_failure.
std::vector<Chunk> read_chunk_tree(const ByteSource& file, std::uint64_t root,
                                   const ChunkGrid& grid, const std::string& what);

} // namespace clip::io::hdf5

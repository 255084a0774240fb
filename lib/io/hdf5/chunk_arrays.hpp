// SPDX-License-Identifier: MIT
// The two arrays in which files of the newest format (libver="latest") keep addresses of chunks.
// Source: HDF5 File Format Specification Version 3.0, sections VII.C (fixed array) and VII.D
// (extensible array).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/hdf5/byte_source.hpp"
#include "io/hdf5/chunk_index.hpp"

namespace clip::io::hdf5 {

struct ChunkArray {
    bool filtered = false;     ///< whether `stored` and `skipped` are set
    std::vector<Chunk> chunks; ///< as many as were asked for
};

/// The first `count` elements of the array whose header is at `address`. `count` is at most what
/// the file has bytes for. Blocks that were never written give chunks without an address.
/// Errors: bad_format (also a wrong checksum), truncated, io_failure.
ChunkArray read_fixed_array(const ByteSource& file, std::uint64_t address, std::uint64_t count,
                            const std::string& what);
ChunkArray read_extensible_array(const ByteSource& file, std::uint64_t address, std::uint64_t count,
                                 const std::string& what);

} // namespace clip::io::hdf5

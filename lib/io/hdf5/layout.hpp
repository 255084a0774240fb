// SPDX-License-Identifier: MIT
// How the elements of a dataset are laid out in the file.
// Source: HDF5 File Format Specification Version 3.0, section IV.A.2.i.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/hdf5/byte_source.hpp"

namespace clip::io::hdf5 {

struct Layout {
    enum class Kind : std::uint8_t { compact, contiguous, chunked };
    /// How chunks are found. The numbers of the newer ones are those of the format.
    enum class Index : std::uint8_t {
        tree,         ///< B-tree of version 1
        single = 1,   ///< `address` is that of the only chunk
        implicit = 2, ///< one after another, none missing
        fixed_array = 3,
        extensible_array = 4,
    };
    Kind kind = Kind::contiguous;
    std::string data;                 ///< compact
    std::uint64_t address = kNowhere; ///< contiguous: of the elements; chunked: of the index
    std::uint64_t size = 0;           ///< contiguous: bytes
    Index index = Index::tree;
    std::vector<std::uint64_t> chunk; ///< elements a chunk, as many as the rank; none is 0
    std::uint64_t single_stored = 0;  ///< single, filtered: bytes in the file; else 0
    std::uint32_t single_skipped = 0;
    bool plain_edges = false; ///< chunks that reach over the edge are stored without filters
};

/// Errors: bad_format, unsupported (an index or a version that is not known).
Layout parse_layout(std::string_view message, const std::string& what);

} // namespace clip::io::hdf5

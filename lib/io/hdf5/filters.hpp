// SPDX-License-Identifier: MIT
// What was done to the bytes of a chunk before they were stored, and undoing it.
// Source: HDF5 File Format Specification Version 3.0, section IV.A.2.l.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/hdf5/byte_source.hpp"

namespace clip::io::hdf5 {

struct Filter {
    enum class Kind : std::uint8_t { deflate, shuffle, fletcher32 };
    Kind kind{};
    std::size_t element = 0; ///< shuffle: bytes of an element
};

/// The filters of a dataset, in the order in which they were applied.
/// Errors: bad_format, unsupported (another filter: says which).
std::vector<Filter> parse_filters(std::string_view message, const std::string& what);

/// Turns `stored` into the `size` bytes of the chunk. A bit of `skipped` says that this filter was
/// left out. `what` names dataset and row.
/// Errors: bad_format (data that does not decode, a wrong checksum), truncated (fewer bytes).
std::string undo_filters(std::string stored, const std::vector<Filter>& filters,
                         std::uint32_t skipped, std::size_t size, const std::string& what);

} // namespace clip::io::hdf5

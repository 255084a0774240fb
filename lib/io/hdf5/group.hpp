// SPDX-License-Identifier: MIT
// The links of a group: which names it has, and where their objects are.
// Source: HDF5 File Format Specification Version 3.0, sections III.A.1, III.C, III.D, IV.A.2.g.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/hdf5/byte_source.hpp"
#include "io/hdf5/object_header.hpp"

namespace clip::io::hdf5 {

struct Link {
    enum class Kind : std::uint8_t { hard, soft, outside };
    Kind kind = Kind::hard;
    std::uint64_t address = kNowhere; ///< of the object header, for a hard link
};

/// The links of a group whose object header holds `messages`, by name.
/// Errors: bad_format, truncated, unsupported (links in a heap of their own), io_failure.
std::map<std::string, Link> read_links(const ByteSource& file, const std::vector<Message>& messages,
                                       const std::string& what);

} // namespace clip::io::hdf5

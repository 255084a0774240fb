// SPDX-License-Identifier: MIT
// The first bytes of an HDF5 file.
// Source: HDF5 File Format Specification Version 3.0, section II.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "io/hdf5/byte_source.hpp"

namespace clip::io::hdf5 {

/// Where the signature of an HDF5 file is: 0, or after a user block of 512, 1024, 2048, ... bytes.
std::optional<std::uint64_t> find_signature(const ByteSource& file);

/// Makes addresses of `file` count from where the file's own do, and returns the address of the
/// root group's object header.
/// Errors: bad_format (not an HDF5 file), truncated (shorter than it says), unsupported,
/// io_failure.
std::uint64_t open_superblock(ByteSource& file, const std::string& name);

} // namespace clip::io::hdf5

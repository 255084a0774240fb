// SPDX-License-Identifier: MIT
// The two checksums of HDF5 files.
#pragma once

#include <cstdint>
#include <string_view>

namespace clip::io::hdf5 {

/// Of metadata of the newer versions. Source: Bob Jenkins, "lookup3" (hashlittle, seed 0, public
/// domain), as the HDF5 File Format Specification Version 3.0 asks for.
std::uint32_t metadata_checksum(std::string_view bytes);

/// Of data that the fletcher32 filter wrote. Source: J. Fletcher, "An Arithmetic Checksum for
/// Serial Transmissions", 1982, over 16-bit words, the high byte first.
std::uint32_t fletcher32(std::string_view bytes);

} // namespace clip::io::hdf5

// SPDX-License-Identifier: MIT
// Strings of variable length, which are in collections of objects apart from their datasets.
// Source: HDF5 File Format Specification Version 3.0, section III.E.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "io/hdf5/byte_source.hpp"

namespace clip::io::hdf5 {

/// Bytes of a reference to an object: length, address of the collection, number in it.
inline constexpr std::size_t kReferenceBytes = 16;

/// Looks up references, and keeps the collections of the last ones (a few mebibytes). For one
/// thread, and for a limited number of strings: after a gibibyte of collections it takes the file
/// for a trap.
class GlobalHeap {
  public:
    explicit GlobalHeap(const ByteSource& file) : file_(file) {}

    /// What `reference` (kReferenceBytes) stands for; empty where it stands for nothing. `what`
    /// names dataset and row.
    /// Errors: bad_format, truncated, io_failure.
    std::string read(std::string_view reference, const std::string& what);

  private:
    struct Object {
        std::uint32_t number;
        std::size_t start, size;
    };
    struct Collection {
        std::uint64_t address;
        std::string bytes;
        std::vector<Object> objects; // ascending numbers
    };
    const Collection& collection_at(std::uint64_t address, const std::string& what);

    const ByteSource& file_;
    std::deque<Collection> kept_;
    std::size_t kept_bytes_ = 0;
    std::uint64_t read_bytes_ = 0;
};

} // namespace clip::io::hdf5

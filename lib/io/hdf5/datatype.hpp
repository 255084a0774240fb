// SPDX-License-Identifier: MIT
// What elements are, how many there are, and attributes made of them.
// Source: HDF5 File Format Specification Version 3.0, sections IV.A.2.b, d and m.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/hdf5/byte_source.hpp"
#include "io/hdf5/object_header.hpp"

namespace clip::io::hdf5 {

struct Datatype {
    enum class Kind : std::uint8_t {
        integer, ///< also an enumeration: h5py writes a Python bool as one
        real,    ///< IEEE 754 binary16, binary32 or binary64
        fixed_string,
        variable_string, ///< an element is a reference to a global heap
        other,
    };
    Kind kind = Kind::other;
    std::uint32_t size = 0; ///< bytes of an element in the file; not 0
    bool big_endian = false;
    bool is_signed = false;
    bool space_padded = false; ///< fixed strings
};

/// Errors: bad_format.
Datatype parse_datatype(std::string_view message, const std::string& what);

struct Dataspace {
    std::vector<std::uint64_t> sizes; ///< empty for a scalar; a null space has one size of 0
    std::vector<std::uint64_t> most;  ///< what they may grow to; kNowhere: without end
};

/// Errors: bad_format, unsupported (a version that is not known).
Dataspace parse_dataspace(std::string_view message, const std::string& what);

/// The only value of an integer or real element. Errors: bad_format (another kind).
std::int64_t integer_of(const Datatype& type, std::string_view bytes, const std::string& what);
double real_of(const Datatype& type, std::string_view bytes, const std::string& what);

/// The bytes of a fixed string, without its padding.
std::string fixed_string_of(const Datatype& type, std::string_view bytes);

struct Attribute {
    Datatype type;
    std::string value; ///< one element, as stored
};

/// Whether there is an attribute of that name in `messages`, and what it holds. `what` is what
/// messages call it.
/// Errors: bad_format (not a single value), unsupported (a type that is named elsewhere; attributes
/// in a heap of their own).
bool find_attribute(const std::vector<Message>& messages, std::string_view name,
                    const std::string& what, Attribute& out);

} // namespace clip::io::hdf5

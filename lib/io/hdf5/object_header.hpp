// SPDX-License-Identifier: MIT
// Object headers: the list of messages that describes a group or a dataset.
// Source: HDF5 File Format Specification Version 3.0, section IV.A.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/hdf5/byte_source.hpp"

namespace clip::io::hdf5 {

/// Types of messages that are looked at.
enum class MessageType : std::uint16_t {
    dataspace = 0x01,
    link_info = 0x02,
    datatype = 0x03,
    link = 0x06,
    external_files = 0x07,
    layout = 0x08,
    filters = 0x0b,
    attribute = 0x0c,
    continuation = 0x10,
    symbol_table = 0x11,
    attribute_info = 0x15,
};

struct Message {
    MessageType type{};
    bool shared = false; ///< `body` only says where the message is
    std::string body;
};

/// All messages of the object header at `address`, continuations included, in the order in which
/// they are stored. `what` is what messages call the object: "photos.h5: /embedding".
/// Errors: bad_format, truncated, unsupported (a version that is not known), io_failure.
std::vector<Message> read_object_header(const ByteSource& file, std::uint64_t address,
                                        const std::string& what);

/// The only message of `type`, or null. Errors: bad_format (two of them).
const Message* find_message(const std::vector<Message>& messages, MessageType type,
                            const std::string& what);

} // namespace clip::io::hdf5

// SPDX-License-Identifier: MIT
#include "io/hdf5/superblock.hpp"

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/hdf5/checksum.hpp"

namespace clip::io::hdf5 {

namespace {

/// Versions 0 and 1: fields of fixed places, ending in the entry of the root group.
std::uint64_t read_first(ByteCursor& cursor, int version, std::uint64_t& end) {
    cursor.skip(8); // sizes of nodes, flags
    if (version == 1)
        cursor.skip(4);
    cursor.skip(16); // base, free space
    end = cursor.u64();
    cursor.skip(8 + 8); // driver, name of the root
    return cursor.u64();
}

} // namespace

std::optional<std::uint64_t> find_signature(const ByteSource& file) {
    for (std::uint64_t at = 0; file.holds(at, kSignature.size()); at = at == 0 ? 512 : at * 2) {
        std::string start(kSignature.size(), '\0');
        if (file.read_some(at, start.size(), start.data()) == start.size() && start == kSignature)
            return at;
    }
    return std::nullopt;
}

std::uint64_t open_superblock(ByteSource& file, const std::string& name) {
    const std::optional<std::uint64_t> base = find_signature(file);
    if (!base)
        fail(ErrorCode::bad_format, concat(name, ": not an HDF5 file"));
    file.set_base(*base);
    constexpr std::size_t kMostBytes = 128;
    std::string bytes(kMostBytes, '\0');
    bytes.resize(file.read_some(0, bytes.size(), bytes.data()));
    ByteCursor cursor(bytes, name);
    cursor.skip(kSignature.size());
    const int version = cursor.u8();
    if (version > 3)
        fail_unsupported(name, concat("version ", version, " of the HDF5 format"));
    if (version < 2)
        cursor.skip(4);
    const int address_bytes = cursor.u8();
    const int length_bytes = cursor.u8();
    if (address_bytes != 8 || length_bytes != 8)
        fail_unsupported(name, concat("addresses of ", address_bytes, " and lengths of ",
                                      length_bytes, " bytes"));
    std::uint64_t end = 0, root = 0, declared_base = 0;
    const int flags = cursor.u8(); // version 0 and 1: reserved
    if (version < 2) {
        root = read_first(cursor, version, end);
        declared_base =
            ByteCursor(std::string_view(bytes).substr(version == 0 ? 24 : 28), name).u64();
    } else {
        declared_base = cursor.u64();
        cursor.skip(8);
        end = cursor.u64();
        root = cursor.u64();
        const std::size_t checked = cursor.position();
        if (cursor.u32() != metadata_checksum(std::string_view(bytes).substr(0, checked)))
            fail_format(name, "the checksum of its first bytes is wrong");
        if (version == 3 && (flags & 0x01) != 0)
            fail(ErrorCode::bad_format,
                 concat(name,
                        ": the program that writes it has not closed it (h5clear -s says that "
                        "none does)"));
    }
    // The end counts from where the base was when the file was written.
    if (end < declared_base || !file.holds(0, end - declared_base))
        fail(ErrorCode::truncated,
             concat(name, ": the file ends early (", file.size(), " bytes of ",
                    end < declared_base ? end : end - declared_base, ")"));
    return root;
}

} // namespace clip::io::hdf5

// SPDX-License-Identifier: MIT
#include "io/hdf5/filters.hpp"

#include <algorithm>

#include <zlib.h>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/hdf5/checksum.hpp"

namespace clip::io::hdf5 {

namespace {

constexpr std::size_t kChecksumBytes = 4;

/// What the filters of other numbers are called, for messages.
std::string name_of(int id) {
    switch (id) {
    case 4:
        return "szip";
    case 5:
        return "nbit";
    case 6:
        return "scaleoffset";
    case 32000:
        return "lzf";
    case 32001:
        return "blosc";
    case 32004:
        return "lz4";
    case 32015:
        return "zstd";
    default:
        return concat("the filter ", id);
    }
}

/// Gives at most `most` bytes; a few bytes may claim to be gigabytes.
std::string inflate_all(const std::string& packed, std::size_t most, const std::string& what) {
    std::string out(most, '\0');
    z_stream stream{};
    if (inflateInit(&stream) != Z_OK)
        fail(ErrorCode::out_of_memory, concat(what, ": no memory to inflate it"));
    // A chunk is at most 256 MiB (dataset.cpp), so that sizes fit.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int status = inflate(&stream, Z_FINISH);
    out.resize(out.size() - stream.avail_out);
    inflateEnd(&stream);
    if (status != Z_STREAM_END)
        fail(status == Z_BUF_ERROR && stream.avail_out > 0 ? ErrorCode::truncated
                                                           : ErrorCode::bad_format,
             concat(what, ": its compressed data does not inflate"));
    return out;
}

/// First bytes of all elements, then second bytes, ...; what is left over stays at the end.
std::string unshuffle(const std::string& bytes, std::size_t element) {
    const std::size_t count = element == 0 ? 0 : bytes.size() / element;
    if (element < 2 || count < 2)
        return bytes;
    std::string out = bytes;
    for (std::size_t byte = 0; byte < element; ++byte)
        for (std::size_t i = 0; i < count; ++i)
            out[i * element + byte] = bytes[byte * count + i];
    return out;
}

void check_fletcher32(std::string& bytes, const std::string& what) {
    if (bytes.size() < kChecksumBytes)
        fail(ErrorCode::truncated, concat(what, ": its data ends before the checksum"));
    const std::size_t size = bytes.size() - kChecksumBytes;
    const std::uint32_t stored = ByteCursor(std::string_view(bytes).substr(size), what).u32();
    bytes.resize(size);
    if (stored != fletcher32(bytes))
        fail(ErrorCode::bad_format, concat(what, ": the checksum of its data is wrong"));
}

} // namespace

std::vector<Filter> parse_filters(std::string_view message, const std::string& what) {
    ByteCursor cursor(message, what);
    const int version = cursor.u8();
    const int count = cursor.u8();
    if (version != 1 && version != 2)
        fail_unsupported(what, concat("a list of filters of version ", version));
    cursor.skip(version == 1 ? 6 : 0);
    std::vector<Filter> out;
    for (int i = 0; i < count; ++i) {
        const int id = cursor.u16();
        const std::size_t name_bytes = version == 1 || id >= 256 ? cursor.u16() : 0;
        cursor.skip(2); // flags: whether it may be left out
        const std::size_t values = cursor.u16();
        cursor.skip(version == 1 ? (name_bytes + 7) / 8 * 8 : name_bytes);
        const std::uint32_t first = values > 0 ? cursor.u32() : 0;
        for (std::size_t value = 1; value < values; ++value)
            cursor.skip(4);
        cursor.skip(version == 1 && values % 2 == 1 ? 4 : 0);
        switch (id) {
        case 1:
            out.push_back({Filter::Kind::deflate});
            break;
        case 2:
            out.push_back({Filter::Kind::shuffle, first});
            break;
        case 3:
            out.push_back({Filter::Kind::fletcher32});
            break;
        default:
            fail(ErrorCode::unsupported,
                 concat(what, ": stored with ", name_of(id),
                        ", which this build does not read (want gzip, shuffle, fletcher32)"));
        }
    }
    return out;
}

std::string undo_filters(std::string stored, const std::vector<Filter>& filters,
                         std::uint32_t skipped, std::size_t size, const std::string& what) {
    // Checksums that come before are part of what deflate was given.
    const std::size_t most = size + filters.size() * kChecksumBytes;
    for (std::size_t i = filters.size(); i-- > 0;) {
        if (i < 32 && (skipped >> i & 1) != 0)
            continue;
        switch (filters[i].kind) {
        case Filter::Kind::deflate:
            stored = inflate_all(stored, most, what);
            break;
        case Filter::Kind::shuffle:
            stored = unshuffle(stored, filters[i].element);
            break;
        case Filter::Kind::fletcher32:
            check_fletcher32(stored, what);
            break;
        }
    }
    if (stored.size() < size)
        fail(ErrorCode::truncated, concat(what, ": ", stored.size(), " bytes (want ", size, ")"));
    if (stored.size() > size)
        fail(ErrorCode::bad_format, concat(what, ": ", stored.size(), " bytes (want ", size, ")"));
    return stored;
}

} // namespace clip::io::hdf5

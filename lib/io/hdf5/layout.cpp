// SPDX-License-Identifier: MIT
#include "io/hdf5/layout.hpp"

#include <algorithm>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::io::hdf5 {

namespace {

constexpr int kMaxRank = 32;

void parse_old_chunks(ByteCursor& cursor, Layout& out, const std::string& what) {
    const int sizes = cursor.u8(); // the last is the bytes of an element
    out.address = cursor.u64();
    if (sizes < 2 || sizes > kMaxRank + 1)
        fail_format(what, "its chunks have an impossible rank");
    for (int i = 0; i + 1 < sizes; ++i)
        out.chunk.push_back(cursor.u32());
}

void parse_new_chunks(ByteCursor& cursor, Layout& out, const std::string& what) {
    const int flags = cursor.u8();
    const int sizes = cursor.u8();
    const std::size_t width = cursor.u8();
    if (sizes < 2 || sizes > kMaxRank + 1 || width < 1 || width > 8)
        fail_format(what, "its chunks have an impossible rank");
    for (int i = 0; i + 1 < sizes; ++i)
        out.chunk.push_back(cursor.number(width));
    cursor.skip(width); // bytes of an element
    out.plain_edges = (flags & 0x01) != 0;
    const int index = cursor.u8();
    switch (index) {
    case 1:
        if ((flags & 0x02) != 0) {
            out.single_stored = cursor.u64();
            out.single_skipped = cursor.u32();
        }
        break;
    case 2:
        break;
    case 3:
        cursor.skip(1);
        break;
    case 4:
        cursor.skip(5);
        break;
    default:
        fail_unsupported(what, concat("its chunks are indexed in way ", index));
    }
    out.index = static_cast<Layout::Index>(index);
    out.address = cursor.u64();
}

} // namespace

Layout parse_layout(std::string_view message, const std::string& what) {
    ByteCursor cursor(message, what);
    const int version = cursor.u8();
    if (version != 3 && version != 4)
        fail_unsupported(what, concat("a layout of version ", version));
    Layout out;
    const int kind = cursor.u8();
    switch (kind) {
    case 0: {
        const std::size_t size = cursor.u16();
        out.kind = Layout::Kind::compact;
        out.data = std::string(cursor.take(size));
        break;
    }
    case 1:
        out.kind = Layout::Kind::contiguous;
        out.address = cursor.u64();
        out.size = cursor.u64();
        break;
    case 2:
        out.kind = Layout::Kind::chunked;
        if (version == 3)
            parse_old_chunks(cursor, out, what);
        else
            parse_new_chunks(cursor, out, what);
        if (std::count(out.chunk.begin(), out.chunk.end(), 0U) != 0)
            fail_format(what, "its chunks have no elements");
        break;
    case 3:
        // Following these would read whatever file the sender of this one chose.
        fail(ErrorCode::bad_format, concat(what, ": its data is in another file"));
    default:
        fail_unsupported(what, concat("a layout of class ", kind));
    }
    return out;
}

} // namespace clip::io::hdf5

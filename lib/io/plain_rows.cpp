// SPDX-License-Identifier: MIT
#include "io/plain_rows.hpp"

#include <algorithm>
#include <bit>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/concat.hpp"
#include "io/hdf5/object_header.hpp"

namespace clip::io {

namespace {

bool is_plain_type(hid_t type) {
    const Hdf5Handle half = hdf5_half_type();
    return std::endian::native == std::endian::little &&
           (H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, half.get()) > 0);
}

/// A descriptor of our own for what HDF5 has open, or -1 where that is not a file.
int descriptor_of(hid_t file) {
    const Hdf5Handle access(H5Fget_access_plist(file), H5Pclose);
    void* handle = nullptr;
    struct stat info {};
    if (H5Pget_driver(access.get()) != H5FD_SEC2 ||
        H5Fget_vfd_handle(file, access.get(), &handle) < 0 || handle == nullptr)
        return -1;
    const int fd = *static_cast<const int*>(handle);
    if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return -1;
    return ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

} // namespace

PlainRows::PlainRows(int fd, std::uint64_t base, std::string what)
    : bytes_(fd, what), what_(std::move(what)) {
    bytes_.set_base(base);
}

std::unique_ptr<const PlainRows> PlainRows::find(hid_t file, hid_t dataset, std::uint64_t rows,
                                                 std::uint64_t columns, const std::string& what) {
    const Hdf5Handle type(H5Dget_type(dataset), H5Tclose);
    const Hdf5Handle properties(H5Dget_create_plist(dataset), H5Pclose);
    const Hdf5Handle creation(H5Fget_create_plist(file), H5Pclose);
    hsize_t base = 0;
    std::size_t address_bytes = 0, length_bytes = 0;
    H5O_info_t info{};
    if (!is_plain_type(type.get()) || H5Pget_nfilters(properties.get()) != 0 ||
        H5Pget_userblock(creation.get(), &base) < 0 ||
        H5Pget_sizes(creation.get(), &address_bytes, &length_bytes) < 0 || address_bytes != 8 ||
        length_bytes != 8 || H5Oget_info1(dataset, &info) < 0)
        return nullptr;
    const int fd = descriptor_of(file);
    if (fd < 0)
        return nullptr;
    std::unique_ptr<PlainRows> out(new PlainRows(fd, base, what));
    out->row_bytes_ = columns * H5Tget_size(type.get());
    const auto messages = hdf5::read_object_header(out->bytes_, info.addr, what);
    const hdf5::Message* layout = hdf5::find_message(messages, hdf5::MessageType::layout, what);
    if (layout == nullptr || layout->shared || rows == 0)
        return nullptr;
    hdf5::ByteCursor cursor(layout->body, what);
    const int version = cursor.u8();
    const int kind = cursor.u8();
    if (kind == 1 && (version == 3 || version == 4)) {
        out->start_ = cursor.u64();
        if (!out->bytes_.holds(out->start_, 0) ||
            (out->bytes_.size() - out->start_) / out->row_bytes_ < rows)
            fail(ErrorCode::truncated, concat(what, ": declares ", rows, " rows but stores fewer"));
        return out;
    }
    if (kind != 2 || version != 3 || cursor.u8() != 3)
        return nullptr;
    const std::uint64_t root = cursor.u64();
    const hdf5::ChunkGrid grid{2, rows, columns, cursor.u32(), cursor.u32()};
    const std::uint64_t bytes = grid.chunk_rows * out->row_bytes_;
    if (grid.chunk_rows == 0 || grid.chunk_columns != columns)
        return nullptr;
    out->chunk_rows_ = grid.chunk_rows;
    out->chunks_ = hdf5::read_chunk_tree(out->bytes_, root, grid, what);
    for (std::size_t i = 0; i < out->chunks_.size(); ++i)
        if (out->chunks_[i].stored != bytes)
            fail(ErrorCode::truncated, concat(what, ": row ", i * grid.chunk_rows,
                                              ": its chunk is not whole in the file"));
    return out;
}

void PlainRows::read(std::uint64_t first, std::uint64_t count, void* out) const {
    if (chunk_rows_ == 0) {
        read_run(start_ + first * row_bytes_, first, count, out);
        return;
    }
    auto* to = static_cast<char*>(out);
    while (count > 0) {
        const std::uint64_t within = first % chunk_rows_;
        const std::uint64_t run = std::min(count, chunk_rows_ - within);
        const hdf5::Chunk& chunk = chunks_[static_cast<std::size_t>(first / chunk_rows_)];
        read_run(chunk.address + within * row_bytes_, first, run, to);
        first += run;
        count -= run;
        to += run * row_bytes_;
    }
}

void PlainRows::read_run(std::uint64_t address, std::uint64_t row, std::uint64_t count,
                         void* out) const {
    const std::size_t bytes = static_cast<std::size_t>(count * row_bytes_);
    const std::size_t got = bytes_.read_some(address, bytes, out);
    if (got != bytes)
        fail(ErrorCode::truncated,
             concat(what_, ": row ", row + got / row_bytes_, ": the file ends before it"));
}

} // namespace clip::io

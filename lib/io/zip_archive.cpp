// SPDX-License-Identifier: MIT
#include "io/zip_archive.hpp"

#include <algorithm>
#include <array>
#include <zlib.h>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::io {

namespace {

constexpr std::uint32_t kLocalMark = 0x04034b50;
constexpr std::uint32_t kCentralMark = 0x02014b50;
constexpr std::uint32_t kEndMark = 0x06054b50;
constexpr std::uint32_t kEnd64Mark = 0x06064b50;
constexpr std::uint32_t kLocator64Mark = 0x07064b50;
constexpr std::size_t kLocalBytes = 30;
constexpr std::size_t kCentralBytes = 46;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64Bytes = 56;
constexpr std::size_t kLocator64Bytes = 20;
constexpr std::size_t kMaxComment = 0xffff;
constexpr std::uint64_t kMaxEntries = 1'000'000;
/// Deflate spends at least one bit on 129 bytes.
constexpr std::uint64_t kMaxRatio = 1032;

/// Little-endian numbers at checked places.
class Fields {
  public:
    Fields(std::span<const std::byte> bytes, const std::string& path)
        : bytes_(bytes), path_(path) {}

    std::span<const std::byte> part(std::uint64_t offset, std::uint64_t size) const {
        if (offset > bytes_.size() || size > bytes_.size() - offset)
            fail(ErrorCode::truncated,
                 concat(path_, ": archive points to byte ", offset, " of ", bytes_.size()));
        return bytes_.subspan(offset, size);
    }
    std::uint64_t number(std::uint64_t offset, std::size_t size) const {
        const auto from = part(offset, size);
        std::uint64_t value = 0;
        for (std::size_t i = size; i-- > 0;)
            value = value << 8 | std::to_integer<std::uint64_t>(from[i]);
        return value;
    }
    std::uint16_t u16(std::uint64_t offset) const {
        return static_cast<std::uint16_t>(number(offset, 2));
    }
    std::uint32_t u32(std::uint64_t offset) const {
        return static_cast<std::uint32_t>(number(offset, 4));
    }
    std::uint64_t u64(std::uint64_t offset) const { return number(offset, 8); }
    std::uint64_t size() const { return bytes_.size(); }

  private:
    std::span<const std::byte> bytes_;
    const std::string& path_;
};

struct Directory {
    std::uint64_t entries, size, offset;
};

Directory find_directory(const Fields& file, const std::string& path) {
    if (file.size() < kEndBytes)
        fail(ErrorCode::truncated, path + ": too short for a ZIP archive");
    std::uint64_t end = file.size() - kEndBytes;
    const std::uint64_t lowest = end > kMaxComment ? end - kMaxComment : 0;
    while (file.u32(end) != kEndMark || end + kEndBytes + file.u16(end + 20) != file.size()) {
        if (end-- == lowest)
            fail(ErrorCode::truncated,
                 path + ": no directory at the end of the ZIP archive (cut off?)");
    }
    if (file.u16(end + 4) != 0 || file.u16(end + 6) != 0)
        fail(ErrorCode::unsupported, path + ": a ZIP archive of several disks");
    Directory found{file.u16(end + 10), file.u32(end + 12), file.u32(end + 16)};
    if (end >= kLocator64Bytes && file.u32(end - kLocator64Bytes) == kLocator64Mark) {
        const std::uint64_t at = file.u64(end - kLocator64Bytes + 8);
        file.part(at, kEnd64Bytes);
        if (file.u32(at) != kEnd64Mark)
            fail(ErrorCode::bad_format, path + ": ZIP64 directory is not where it should be");
        found = {file.u64(at + 32), file.u64(at + 40), file.u64(at + 48)};
    }
    return found;
}

/// The 64-bit sizes and offset that stand in for fields of 0xffffffff.
void read_zip64(const Fields& extra, std::uint64_t* size, std::uint64_t* packed,
                std::uint64_t* offset, const std::string& what) {
    constexpr std::uint32_t kFull = 0xffffffff;
    for (std::uint64_t at = 0; at + 4 <= extra.size();) {
        const std::uint16_t kind = extra.u16(at);
        const std::uint64_t end = at + 4 + extra.u16(at + 2);
        if (end > extra.size())
            break;
        if (kind == 1) {
            std::uint64_t field = at + 4;
            for (std::uint64_t* value : {size, packed, offset}) {
                if (*value != kFull)
                    continue;
                if (field + 8 > end)
                    fail(ErrorCode::bad_format, what + ": ZIP64 sizes are missing");
                *value = extra.u64(field);
                field += 8;
            }
            return;
        }
        at = end;
    }
}

/// Inflates `from` piece by piece into `sink(data, size)`; false where the data are damaged or are
/// not of `size` bytes.
template <typename Sink>
bool inflate_raw(std::span<const std::byte> from, std::uint64_t size, Sink&& sink) {
    constexpr std::size_t kPiece = std::size_t{1} << 16;
    constexpr std::size_t kMost = std::size_t{1} << 30; // zlib counts in 32 bits
    std::vector<std::byte> piece(kPiece);
    z_stream stream{};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        fail(ErrorCode::out_of_memory, "inflate: no memory");
    const std::unique_ptr<z_stream, decltype(&inflateEnd)> guard(&stream, inflateEnd);
    std::uint64_t done = 0;
    int status = Z_OK;
    while (status == Z_OK) {
        if (stream.avail_in == 0 && !from.empty()) {
            const std::size_t now = std::min(from.size(), kMost);
            stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(from.data()));
            stream.avail_in = static_cast<uInt>(now);
            from = from.subspan(now);
        }
        stream.next_out = reinterpret_cast<Bytef*>(piece.data());
        stream.avail_out = static_cast<uInt>(piece.size());
        status = ::inflate(&stream, Z_NO_FLUSH);
        const std::size_t made = piece.size() - stream.avail_out;
        if (made > size - done)
            return false;
        sink(piece.data(), made);
        done += made;
    }
    return status == Z_STREAM_END && done == size;
}

} // namespace

ZipArchive::ZipArchive(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {
    read_directory();
    place_entries();
    for (std::size_t i = 0; i < entries_.size(); ++i)
        index_.emplace_back(entries_[i].name, i);
    std::sort(index_.begin(), index_.end());
    for (std::size_t i = 1; i < index_.size(); ++i)
        if (index_[i].first == index_[i - 1].first)
            fail(ErrorCode::bad_format,
                 concat(path(), ": two archive entries are named ", index_[i].first));
}

void ZipArchive::read_directory() {
    const Fields file(file_->bytes(), path());
    const Directory directory = find_directory(file, path());
    if (directory.entries > kMaxEntries)
        fail(ErrorCode::bad_format,
             concat(path(), ": ", directory.entries, " archive entries are too many"));
    const Fields table(file.part(directory.offset, directory.size), path());
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; i < directory.entries; ++i) {
        table.part(at, kCentralBytes);
        if (table.u32(at) != kCentralMark)
            fail(ErrorCode::bad_format,
                 concat(path(), ": archive entry ", i, " is not in the directory"));
        const std::uint16_t name_size = table.u16(at + 28);
        const std::uint16_t extra_size = table.u16(at + 30);
        const auto name = table.part(at + kCentralBytes, name_size);
        ZipEntry entry;
        entry.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
        const std::string what = path() + ": archive entry " + entry.name;
        entry.method = table.u16(at + 10);
        entry.crc = table.u32(at + 16);
        std::uint64_t packed = table.u32(at + 20);
        entry.size = table.u32(at + 24);
        std::uint64_t offset = table.u32(at + 42);
        read_zip64(Fields(table.part(at + kCentralBytes + name_size, extra_size), path()),
                   &entry.size, &packed, &offset, what);
        if ((table.u16(at + 8) & 1) != 0)
            fail(ErrorCode::unsupported, what + ": encrypted");
        if (entry.method != kStored && entry.method != kDeflated)
            fail(ErrorCode::unsupported, concat(what, ": compression method ", entry.method));
        if (entry.method == kStored && packed != entry.size)
            fail(ErrorCode::bad_format, what + ": stored, but with two sizes");
        if (entry.method == kDeflated && entry.size / kMaxRatio > packed)
            fail(ErrorCode::bad_format, what + ": larger than its compressed bytes can be");
        entry.bytes = file.part(offset, packed); // moved behind the local header later
        entries_.push_back(std::move(entry));
        header_offsets_.push_back(offset);
        at += kCentralBytes + name_size + extra_size + table.u16(at + 32);
    }
}

void ZipArchive::place_entries() {
    const Fields file(file_->bytes(), path());
    std::vector<std::pair<std::uint64_t, std::uint64_t>> used; // offset, end
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        ZipEntry& entry = entries_[i];
        const std::uint64_t at = header_offsets_[i];
        file.part(at, kLocalBytes);
        if (file.u32(at) != kLocalMark)
            fail(ErrorCode::bad_format,
                 concat(path(), ": archive entry ", entry.name, " has no header"));
        const std::uint64_t begin = at + kLocalBytes + file.u16(at + 26) + file.u16(at + 28);
        const std::uint64_t size = entry.bytes.size();
        entry.bytes = file.part(begin, size);
        used.emplace_back(at, begin + size);
    }
    // Entries that share bytes are how an archive of kilobytes unfolds to terabytes.
    std::sort(used.begin(), used.end());
    for (std::size_t i = 1; i < used.size(); ++i)
        if (used[i].first < used[i - 1].second)
            fail(ErrorCode::bad_format, path() + ": archive entries overlap");
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
    const auto found =
        std::lower_bound(index_.begin(), index_.end(), std::pair(name, std::size_t{0}));
    return found == index_.end() || found->first != name ? nullptr : &entries_[found->second];
}

std::vector<std::byte> ZipArchive::inflate(const ZipEntry& entry) const {
    std::vector<std::byte> content;
    content.reserve(entry.size);
    const bool whole =
        inflate_raw(entry.bytes, entry.size, [&](const std::byte* data, std::size_t size) {
            content.insert(content.end(), data, data + size);
        });
    if (!whole)
        fail(ErrorCode::bad_format,
             concat(path(), ": archive entry ", entry.name, ": damaged data"));
    return content;
}

bool ZipArchive::checksum_holds(const ZipEntry& entry) const {
    uLong crc = ::crc32_z(0, nullptr, 0);
    const auto add = [&](const std::byte* data, std::size_t size) {
        crc = ::crc32_z(crc, reinterpret_cast<const Bytef*>(data), size);
    };
    if (entry.method == kDeflated) {
        if (!inflate_raw(entry.bytes, entry.size, add))
            return false;
    } else {
        add(entry.bytes.data(), entry.bytes.size());
    }
    return crc == entry.crc;
}

} // namespace clip::io

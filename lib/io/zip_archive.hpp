// SPDX-License-Identifier: MIT
// ZIP archives, as far as PyTorch's files need them: stored and deflated entries, ZIP64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/mapped_file.hpp"

namespace clip::io {

struct ZipEntry {
    std::string name;
    std::uint16_t method = 0;         ///< 0 stored, 8 deflated
    std::uint32_t crc = 0;            ///< CRC-32 of the content
    std::uint64_t size = 0;           ///< bytes of the content
    std::span<const std::byte> bytes; ///< as they lie in the file
};

/// The table of contents of a mapped archive. Only entries that lie inside the file and share no
/// bytes with each other come out of here.
class ZipArchive {
  public:
    /// Errors: truncated (no central directory), bad_format (a directory that does not follow the
    /// format, two entries of one name or of the same bytes, a size that no compression can reach),
    /// unsupported (encryption, other methods than deflate, archives of several disks).
    /// Source: PKWARE's APPNOTE.TXT 6.3, sections 4.3 and 4.5.3.
    explicit ZipArchive(std::shared_ptr<const MappedFile> file);

    const std::vector<ZipEntry>& entries() const { return entries_; }
    /// nullptr where there is no such entry.
    const ZipEntry* find(std::string_view name) const;
    const std::string& path() const { return file_->path(); }

    /// The content of a deflated entry. Errors: bad_format (damaged data), out_of_memory.
    std::vector<std::byte> inflate(const ZipEntry& entry) const;
    /// Whether the content has the checksum that the directory names. Damaged data has not.
    bool checksum_holds(const ZipEntry& entry) const;

    static constexpr std::uint16_t kStored = 0;
    static constexpr std::uint16_t kDeflated = 8;

  private:
    void read_directory();
    void place_entries();

    std::shared_ptr<const MappedFile> file_;
    std::vector<ZipEntry> entries_;
    std::vector<std::uint64_t> header_offsets_; ///< of the local headers, an entry each
    std::vector<std::pair<std::string_view, std::size_t>> index_; ///< sorted by name
};

} // namespace clip::io

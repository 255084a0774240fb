// SPDX-License-Identifier: MIT
// Files inside a tar archive, without unpacking it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace clip::io {

/// A regular file in an archive.
struct TarMember {
    std::string name;         ///< any bytes but NUL, as the archive spells it; not empty
    std::uint64_t size = 0;   ///< bytes
    std::uint64_t header = 0; ///< where its first header begins: for TarReader::seek()
    std::uint64_t data = 0;   ///< where its bytes begin
};

/// Reads archives as POSIX (ustar and pax), GNU tar and the old Unix tar write them, uncompressed:
/// long names of GNU and pax, sizes in octal, in base 256 and of pax. Folders, links and devices
/// are passed over. Nothing is believed: checksums are checked, and sizes against the file's.
/// Source: POSIX.1-2017, pax; the GNU tar manual, "Basic Tar Format".
class TarReader {
  public:
    /// Errors: not_found, io_failure; bad_format (not a regular file, an empty one, a compressed
    /// archive).
    explicit TarReader(const std::string& path);
    ~TarReader();
    TarReader(TarReader&& other) noexcept;
    TarReader(const TarReader&) = delete;
    TarReader& operator=(const TarReader&) = delete;
    TarReader& operator=(TarReader&&) = delete;

    /// The next regular file; false at the end of the archive: at two blocks of zeros, or where the
    /// file ends between members.
    /// Errors: bad_format (no header where one should be, a wrong checksum, an impossible number or
    /// pax record), truncated, unsupported (a sparse file), io_failure. Reading cannot go on then.
    bool next(TarMember& member);
    /// The bytes of a member. May be called from several threads at once.
    /// Errors: truncated (the file became shorter), io_failure, out_of_memory.
    void read(const TarMember& member, std::vector<std::uint8_t>& out) const;
    /// The next member will be the one whose `header` this is.
    void seek(std::uint64_t header) { at_ = header; }

    const std::string& path() const { return path_; }

  private:
    struct Header;
    struct Override;
    Header read_header(std::uint64_t at) const;
    std::string read_text(const Header& header, std::uint64_t at) const;
    void apply_pax(std::string_view records, std::uint64_t at, Override& override) const;
    void read_at(std::uint64_t at, void* out, std::size_t count) const;
    std::string where(std::uint64_t at) const;

    std::string path_;
    int fd_ = -1;
    std::uint64_t size_ = 0;
    std::uint64_t at_ = 0;
};

} // namespace clip::io

// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace clip::io {

/// A regular file mapped read-only and privately: pages are read when touched, and may go again.
///
/// A file that another process makes shorter while it is mapped ends this one with SIGBUS, as it
/// would any program that maps files; checkpoints are replaced by renaming, which is safe.
class MappedFile {
  public:
    /// Errors: not_found, io_failure, bad_format (not a regular file: a pipe, a device, a folder).
    static std::shared_ptr<const MappedFile> open(const std::string& path);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    const std::string& path() const { return path_; }
    std::span<const std::byte> bytes() const { return {data_, size_}; }

    /// Lets the whole pages inside `part` leave memory (they are read again when touched again).
    /// `part` outside this file is ignored.
    void release(std::span<const std::byte> part) const;

  private:
    MappedFile(std::string path, const std::byte* data, std::size_t size)
        : path_(std::move(path)), data_(data), size_(size) {}

    std::string path_;
    const std::byte* data_;
    std::size_t size_;
};

} // namespace clip::io

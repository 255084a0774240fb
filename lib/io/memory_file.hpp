// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "io/output_stream.hpp"

namespace clip::io {

/// An anonymous file in memory, for formats that need random access where there is only a stream.
class MemoryFile {
  public:
    /// Errors: io_failure.
    MemoryFile();
    ~MemoryFile();
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    int fd() const { return fd_; }
    /// A path that opens this file in this process.
    std::string path() const;
    /// Appends all that `fd` gives until its end. Errors: io_failure.
    void fill_from(int fd, const std::string& name);
    /// Writes the whole content. Errors: ClosedPipe, io_failure.
    void copy_to(OutputStream& out) const;

  private:
    int fd_;
};

} // namespace clip::io

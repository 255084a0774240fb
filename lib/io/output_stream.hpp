// SPDX-License-Identifier: MIT
// Output in which no failed write goes unnoticed.
#pragma once

#include <string>
#include <string_view>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::io {

/// The reader of our output has gone (EPIPE). Not a failure: a command ends silently on it. Its
/// code is io_failure. SIGPIPE must be ignored by the process.
class ClosedPipe : public Error {
  public:
    explicit ClosedPipe(const std::string& name)
        : Error(ErrorCode::io_failure, concat("write ", name, ": nobody reads any more")) {}
};

/// A buffered writer on a file descriptor.
///
/// Errors of every call: ClosedPipe; io_failure with the output's name (disk full and the like).
/// After an error nothing more is written, and close() does not report it again.
class OutputStream {
  public:
    /// Writes to `fd`, which stays the caller's unless `owned`. A terminal is line-buffered.
    OutputStream(int fd, std::string name, bool owned = false);
    /// Drops what was not flushed: a stream that matters is closed by close(), which can fail.
    ~OutputStream();
    OutputStream(const OutputStream&) = delete;
    OutputStream& operator=(const OutputStream&) = delete;

    void write(std::string_view bytes);
    void flush();
    /// Flushes, and closes the descriptor if it is owned.
    void close();
    /// Flush after every write, as on a terminal.
    void set_line_buffered(bool on) { line_buffered_ = on; }
    const std::string& name() const { return name_; }

  private:
    void write_through(std::string_view bytes);

    int fd_;
    bool owned_;
    bool line_buffered_;
    bool failed_ = false;
    std::string name_;
    std::string buffer_;
};

/// Writes all of `bytes`, however many calls it takes. `offset` < 0 writes at the file's position.
/// Errors: ClosedPipe, io_failure.
void write_all(int fd, std::string_view bytes, const std::string& name, long long offset = -1);

} // namespace clip::io

// SPDX-License-Identifier: MIT
// Standard output whose every write is checked.
#pragma once

#include <cstddef>
#include <ostream>
#include <streambuf>
#include <vector>

namespace clip::cli {

/// A stream over a file descriptor, with a buffer of its own: by blocks to files and pipes, by
/// lines to a terminal.
///
/// Errors: a failing write throws Error (io_failure, "standard output: <reason>") out of the
/// operation that needed it. What could not be written is dropped, so that nothing is written
/// twice.
class StandardOutput : private std::streambuf {
  public:
    explicit StandardOutput(int descriptor = 1);
    ~StandardOutput() override = default; ///< does not flush: close() is explicit and checked

    std::ostream& stream() { return stream_; }
    /// Flushes and closes the descriptor; a full disk may be noticed only here. Errors: as above.
    void close();
    /// The errno of the first write that failed, or 0.
    int error() const { return error_; }

  private:
    int_type overflow(int_type character) override;
    int sync() override;
    std::streamsize xsputn(const char* data, std::streamsize count) override;

    void write_out(const char* data, std::size_t count);
    [[noreturn]] void fail_with(int error);

    const int descriptor_;
    const bool by_lines_;
    int error_ = 0;
    std::vector<char> buffer_;
    std::ostream stream_;
};

} // namespace clip::cli

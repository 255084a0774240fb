// SPDX-License-Identifier: MIT
// Records from a stream that may be a pipe without end: bounded memory, and Ctrl-C gets through.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace clip::io {

struct LineReaderOptions {
    char separator = '\n';                        ///< or '\0'
    std::size_t max_line = std::size_t{64} << 20; ///< bytes of the longest record
    const std::atomic<bool>* stop = nullptr;      ///< ends reading within 0.1 s once true
};

/// Splits what a file descriptor gives into records. The last needs no separator.
class LineReader {
  public:
    /// Reads from `fd`, which stays the caller's. `name` is used in messages.
    LineReader(int fd, std::string name, LineReaderOptions options = {});
    /// Opens a file; "-" is standard input. Errors: not_found, io_failure.
    static LineReader open(const std::string& path, LineReaderOptions options = {});
    LineReader(LineReader&& other) noexcept;
    LineReader& operator=(LineReader&&) = delete;
    ~LineReader();

    /// The next record, without its separator; valid until the next call. False at the end, or
    /// when the stop flag was raised (a record that is only half there is then not returned).
    /// Errors: io_failure; bad_format (longer than the limit: that record is skipped, and the next
    /// call goes on after it).
    bool next(std::string_view& line);

    /// Whether next() would have to wait for the other side: no whole record is here, and nothing
    /// has arrived. A command then hands on what it has, instead of waiting to fill a batch.
    bool would_wait();

    /// The number of the record last returned or refused, from 1.
    std::uint64_t line_number() const { return line_number_; }
    /// "captions.txt:42".
    std::string where() const;
    const std::string& name() const { return name_; }

  private:
    bool fill();
    bool wait_readable(int timeout_ms) const;

    int fd_;
    bool owned_ = false;
    std::string name_;
    LineReaderOptions options_;
    std::vector<char> buffer_;
    std::size_t begin_ = 0;    // first byte not returned yet
    std::size_t searched_ = 0; // no separator before this
    std::size_t end_ = 0;      // end of what was read
    bool eof_ = false;
    bool skipping_ = false; // inside a record that was over the limit
    std::uint64_t line_number_ = 0;
};

} // namespace clip::io

// SPDX-License-Identifier: MIT
#include "io/line_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::io {

namespace {
constexpr std::size_t kFirstBuffer = std::size_t{256} << 10;
constexpr int kStopPollMs = 100; // how long a raised stop flag may go unseen
} // namespace

LineReader::LineReader(int fd, std::string name, LineReaderOptions options)
    : fd_(fd), name_(std::move(name)), options_(options), buffer_(kFirstBuffer) {}

LineReader LineReader::open(const std::string& path, LineReaderOptions options) {
    if (path == "-")
        return LineReader(STDIN_FILENO, "standard input", options);
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_errno(path, errno);
    LineReader reader(fd, path, options);
    reader.owned_ = true;
    return reader;
}

LineReader::LineReader(LineReader&& other) noexcept
    : fd_(other.fd_), owned_(std::exchange(other.owned_, false)), name_(std::move(other.name_)),
      options_(other.options_), buffer_(std::move(other.buffer_)), begin_(other.begin_),
      searched_(other.searched_), end_(other.end_), eof_(other.eof_), skipping_(other.skipping_),
      line_number_(other.line_number_) {}

LineReader::~LineReader() {
    if (owned_)
        ::close(fd_);
}

std::string LineReader::where() const {
    return concat(name_, ":", line_number_);
}

bool LineReader::wait_readable(int timeout_ms) const {
    pollfd waiting{fd_, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, timeout_ms);
    return ready > 0; // also for errors and hang-ups: read() then says which
}

/// Reads once, after making room. False when the stop flag was raised.
bool LineReader::fill() {
    if (begin_ > 0 && (end_ == buffer_.size() || begin_ == end_)) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        searched_ -= begin_;
        end_ -= begin_;
        begin_ = 0;
    }
    if (end_ == buffer_.size())
        buffer_.resize(std::min(buffer_.size() * 2, options_.max_line + kFirstBuffer));
    while (true) {
        if (options_.stop != nullptr) {
            bool ready = false;
            while (!ready && !options_.stop->load())
                ready = wait_readable(kStopPollMs);
            if (options_.stop->load())
                return false;
        }
        const ssize_t got = ::read(fd_, buffer_.data() + end_, buffer_.size() - end_);
        if (got >= 0) {
            eof_ = got == 0;
            end_ += static_cast<std::size_t>(got);
            return true;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            wait_readable(kStopPollMs);
        else if (errno != EINTR)
            fail_errno(concat("read ", name_), errno);
    }
}

bool LineReader::next(std::string_view& line) {
    while (true) {
        const char* const found = static_cast<const char*>(
            std::memchr(buffer_.data() + searched_, options_.separator, end_ - searched_));
        const bool last = found == nullptr && eof_ && end_ > begin_;
        if (found != nullptr || last) {
            const std::size_t start = begin_;
            const std::size_t stop = last ? end_ : static_cast<std::size_t>(found - buffer_.data());
            begin_ = searched_ = last ? end_ : stop + 1;
            if (skipping_) {
                skipping_ = false;
                continue;
            }
            ++line_number_;
            if (stop - start <= options_.max_line) {
                line = {buffer_.data() + start, stop - start};
                return true;
            }
            fail(ErrorCode::bad_format,
                 concat(where(), ": longer than ", options_.max_line, " bytes"));
        }
        searched_ = end_;
        if (eof_)
            return false;
        if (skipping_) {
            begin_ = searched_ = end_ = 0;
        } else if (end_ - begin_ > options_.max_line) {
            begin_ = searched_ = end_ = 0;
            skipping_ = true;
            ++line_number_;
            fail(ErrorCode::bad_format,
                 concat(where(), ": longer than ", options_.max_line, " bytes"));
        }
        if (!fill())
            return false;
    }
}

bool LineReader::would_wait() {
    if (eof_ || std::memchr(buffer_.data() + searched_, options_.separator, end_ - searched_))
        return false;
    return !wait_readable(0);
}

} // namespace clip::io

// SPDX-License-Identifier: MIT
#include "io/output_stream.hpp"

#include <cerrno>

#include <poll.h>
#include <unistd.h>

namespace clip::io {

namespace {
constexpr std::size_t kBufferSize = std::size_t{64} << 10; // what a pipe takes at once
}

void write_all(int fd, std::string_view bytes, const std::string& name, long long offset) {
    while (!bytes.empty()) {
        const ssize_t done = offset < 0 ? ::write(fd, bytes.data(), bytes.size())
                                        : ::pwrite(fd, bytes.data(), bytes.size(), offset);
        if (done > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(done));
            offset += offset < 0 ? 0 : done;
        } else if (done == 0) {
            fail_errno(concat("write ", name), ENOSPC); // no progress and no reason given
        } else if (errno == EPIPE) {
            throw ClosedPipe(name);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            pollfd waiting{fd, POLLOUT, 0};
            ::poll(&waiting, 1, -1);
        } else if (errno != EINTR) {
            fail_errno(concat("write ", name), errno);
        }
    }
}

OutputStream::OutputStream(int fd, std::string name, bool owned)
    : fd_(fd), owned_(owned), line_buffered_(::isatty(fd) == 1), name_(std::move(name)) {
    buffer_.reserve(kBufferSize);
}

OutputStream::~OutputStream() {
    if (owned_ && fd_ >= 0)
        ::close(fd_);
}

void OutputStream::write_through(std::string_view bytes) {
    if (failed_)
        return;
    failed_ = true;
    write_all(fd_, bytes, name_);
    failed_ = false;
}

void OutputStream::write(std::string_view bytes) {
    if (buffer_.size() + bytes.size() > kBufferSize)
        flush();
    if (bytes.size() > kBufferSize)
        write_through(bytes);
    else
        buffer_ += bytes;
    if (line_buffered_)
        flush();
}

void OutputStream::flush() {
    if (!buffer_.empty()) {
        write_through(buffer_);
        buffer_.clear();
    }
}

void OutputStream::close() {
    flush();
    if (!owned_ || fd_ < 0)
        return;
    const int fd = fd_;
    fd_ = -1;
    // Some file systems (NFS, quotas) report a full disk only here. EINTR leaves it closed on
    // Linux.
    if (::close(fd) != 0 && errno != EINTR && !failed_)
        fail_errno(concat("close ", name_), errno);
}

} // namespace clip::io

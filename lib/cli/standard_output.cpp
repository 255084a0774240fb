// SPDX-License-Identifier: MIT
#include "cli/standard_output.hpp"

#include "base/error.hpp"

#include <cerrno>
#include <cstring>
#include <locale>
#include <poll.h>
#include <unistd.h>

namespace clip::cli {
namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;

} // namespace

StandardOutput::StandardOutput(int descriptor)
    : descriptor_(descriptor), by_lines_(::isatty(descriptor) != 0), buffer_(kBufferBytes),
      stream_(this) {
    setp(buffer_.data(), buffer_.data() + buffer_.size());
    stream_.imbue(std::locale::classic());
    // With badbit in the mask a stream passes on what its buffer throws.
    stream_.exceptions(std::ios::badbit);
}

void StandardOutput::fail_with(int error) {
    if (error_ == 0)
        error_ = error;
    fail_errno("standard output", error);
}

void StandardOutput::write_out(const char* data, std::size_t count) {
    while (count > 0) {
        const ssize_t written = ::write(descriptor_, data, count);
        if (written >= 0) {
            data += written;
            count -= static_cast<std::size_t>(written);
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            // A parent may have left the pipe non-blocking; wait rather than lose data.
            pollfd ready{descriptor_, POLLOUT, 0};
            ::poll(&ready, 1, -1);
            continue;
        }
        fail_with(errno);
    }
}

int StandardOutput::sync() {
    const auto count = static_cast<std::size_t>(pptr() - pbase());
    setp(buffer_.data(), buffer_.data() + buffer_.size());
    write_out(buffer_.data(), count);
    return 0;
}

StandardOutput::int_type StandardOutput::overflow(int_type character) {
    sync();
    if (!traits_type::eq_int_type(character, traits_type::eof())) {
        const char c = traits_type::to_char_type(character);
        xsputn(&c, 1);
    }
    return traits_type::not_eof(character);
}

std::streamsize StandardOutput::xsputn(const char* data, std::streamsize count) {
    const auto bytes = static_cast<std::size_t>(count);
    if (bytes > static_cast<std::size_t>(epptr() - pptr())) {
        sync();
        if (bytes >= buffer_.size()) {
            write_out(data, bytes);
            return count;
        }
    }
    std::memcpy(pptr(), data, bytes);
    pbump(static_cast<int>(bytes));
    if (by_lines_ && std::memchr(data, '\n', bytes) != nullptr)
        sync();
    return count;
}

void StandardOutput::close() {
    sync();
    if (::close(descriptor_) != 0 && errno != EINTR)
        fail_with(errno);
}

} // namespace clip::cli

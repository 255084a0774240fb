// SPDX-License-Identifier: MIT
#include "app/stream_peek.hpp"

#include <array>
#include <charconv>
#include <ctime>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace clip::app {

namespace {

constexpr int kPollMs = 100; // how long a raised stop flag may go unseen

using Peeked = std::array<char, 16>;

/// Copies what a pipe holds at its front, at most `count` bytes, by way of a second pipe.
ssize_t peek_pipe(int fd, Peeked& out, std::size_t count) {
    int copy[2];
    if (::pipe2(copy, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    ssize_t got = ::tee(fd, copy[1], count, SPLICE_F_NONBLOCK);
    if (got > 0)
        got = ::read(copy[0], out.data(), static_cast<std::size_t>(got));
    ::close(copy[0]);
    ::close(copy[1]);
    return got;
}

ssize_t peek(int fd, mode_t mode, Peeked& out, std::size_t count) {
    if (S_ISREG(mode))
        return ::pread(fd, out.data(), count, ::lseek(fd, 0, SEEK_CUR));
    if (S_ISSOCK(mode))
        return ::recv(fd, out.data(), count, MSG_PEEK | MSG_DONTWAIT);
    return S_ISFIFO(mode) ? peek_pipe(fd, out, count) : -1;
}

} // namespace

bool would_wait_for(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, 0) == 0;
}

bool begins_with(int fd, std::string_view signature, const std::atomic<bool>* stop) {
    struct stat status {};
    if (signature.size() > Peeked().size() || ::fstat(fd, &status) != 0)
        return false;
    Peeked bytes{};
    while (stop == nullptr || !stop->load()) {
        pollfd waiting{fd, POLLIN, 0};
        if (::poll(&waiting, 1, kPollMs) <= 0)
            continue;
        const ssize_t got = peek(fd, status.st_mode, bytes, signature.size());
        if (got <= 0)
            return false;
        const std::string_view seen(bytes.data(), static_cast<std::size_t>(got));
        if (!signature.starts_with(seen) || seen.size() == signature.size())
            return seen == signature;
        if (S_ISREG(status.st_mode) || (waiting.revents & POLLHUP) != 0)
            return false;
        // Less than a signature has come: poll() would return at once, so let the writer go on.
        const timespec pause{0, 1000000};
        ::nanosleep(&pause, nullptr);
    }
    return false;
}

int shell_pipe(const std::string& path) {
    constexpr std::string_view kFolder = "/dev/fd/";
    int fd = -1;
    const char* end = path.data() + path.size();
    if (!path.starts_with(kFolder) ||
        std::from_chars(path.data() + kFolder.size(), end, fd).ptr != end)
        return -1;
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) ? fd : -1;
}

} // namespace clip::app

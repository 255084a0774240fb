// SPDX-License-Identifier: MIT
#include "io/memory_file.hpp"

#include <cerrno>
#include <vector>

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/concat.hpp"

namespace clip::io {

namespace {

constexpr std::size_t kCopyBytes = std::size_t{1} << 20;

/// read() or pread() that gives up only on errors. `offset` < 0 reads at the file's position.
std::size_t read_some(int fd, char* to, const std::string& name, off_t offset) {
    while (true) {
        const ssize_t got =
            offset < 0 ? ::read(fd, to, kCopyBytes) : ::pread(fd, to, kCopyBytes, offset);
        if (got >= 0)
            return static_cast<std::size_t>(got);
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            pollfd waiting{fd, POLLIN, 0};
            ::poll(&waiting, 1, -1);
        } else if (errno != EINTR) {
            fail_errno(concat("read ", name), errno);
        }
    }
}

} // namespace

MemoryFile::MemoryFile() : fd_(::memfd_create("clip-embeddings", MFD_CLOEXEC)) {
    if (fd_ < 0)
        fail_errno("make a file in memory", errno);
}

MemoryFile::~MemoryFile() {
    ::close(fd_);
}

std::string MemoryFile::path() const {
    return "/proc/self/fd/" + std::to_string(fd_);
}

void MemoryFile::fill_from(int fd, const std::string& name) {
    std::vector<char> block(kCopyBytes);
    while (const std::size_t got = read_some(fd, block.data(), name, -1))
        write_all(fd_, {block.data(), got}, name);
}

void MemoryFile::copy_to(OutputStream& out) const {
    std::vector<char> block(kCopyBytes);
    off_t offset = 0;
    while (const std::size_t got = read_some(fd_, block.data(), out.name(), offset)) {
        out.write({block.data(), got});
        offset += static_cast<off_t>(got);
    }
}

} // namespace clip::io

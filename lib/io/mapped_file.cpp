// SPDX-License-Identifier: MIT
#include "io/mapped_file.hpp"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"

namespace clip::io {

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
    // Not blocking: opening a pipe that nobody writes to must not hang before it is refused.
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        fail_errno(path, errno);
    struct stat status {};
    if (::fstat(file, &status) != 0) {
        const int error = errno;
        ::close(file);
        fail_errno(path, error);
    }
    if (!S_ISREG(status.st_mode)) {
        ::close(file);
        fail(ErrorCode::bad_format, path + ": not a regular file");
    }
    const auto size = static_cast<std::size_t>(status.st_size);
    void* data = nullptr;
    if (size > 0) {
        data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
        if (data == MAP_FAILED) {
            const int error = errno;
            ::close(file);
            fail_errno(path + ": mapping the file", error);
        }
    }
    ::close(file);
    return std::shared_ptr<const MappedFile>(
        new MappedFile(path, static_cast<const std::byte*>(data), size));
}

MappedFile::~MappedFile() {
    if (data_ != nullptr)
        ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::release(std::span<const std::byte> part) const {
    if (part.empty() || part.data() < data_ || part.data() + part.size() > data_ + size_)
        return;
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto begin = reinterpret_cast<std::uintptr_t>(part.data());
    const std::uintptr_t first = (begin + page - 1) / page * page;
    // The last page of the file belongs to nobody else, so it goes even where it is not full.
    const bool at_end = part.data() + part.size() == data_ + size_;
    const std::uintptr_t last = at_end ? (begin + part.size() + page - 1) / page * page
                                       : (begin + part.size()) / page * page;
    if (last > first)
        ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

} // namespace clip::io

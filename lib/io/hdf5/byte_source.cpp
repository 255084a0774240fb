// SPDX-License-Identifier: MIT
#include "io/hdf5/byte_source.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::io::hdf5 {

namespace {

constexpr std::uint64_t kGrowth = std::uint64_t{1} << 20;

} // namespace

std::unique_ptr<ByteSource> ByteSource::open(const std::string& path, const std::string& name) {
    const bool standard = path == "-";
    const int fd = standard ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                            : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_errno(name, errno);
    std::unique_ptr<ByteSource> out(new ByteSource(name));
    out->fd_ = fd; // closed with it
    struct stat info {};
    if (::fstat(fd, &info) != 0)
        fail_errno(name, errno);
    if (S_ISDIR(info.st_mode))
        fail_errno(name, EISDIR);
    if (S_ISREG(info.st_mode) && (!standard || ::lseek(fd, 0, SEEK_CUR) == 0)) {
        out->size_ = static_cast<std::uint64_t>(info.st_size);
    } else {
        out->read_to_end(fd);
        ::close(std::exchange(out->fd_, -1));
    }
    return out;
}

ByteSource::ByteSource(std::string_view bytes, std::string name)
    : data_(bytes.data()), size_(bytes.size()), name_(std::move(name)) {}

ByteSource::~ByteSource() {
    if (fd_ >= 0)
        ::close(fd_);
    std::free(owned_);
}

void ByteSource::read_to_end(int fd) {
    std::uint64_t capacity = 0;
    while (true) {
        if (size_ == capacity) { // realloc() moves pages; a vector would hold two copies
            capacity += std::max(kGrowth, capacity / 2);
            void* grown = std::realloc(owned_, static_cast<std::size_t>(capacity));
            if (grown == nullptr)
                fail(ErrorCode::out_of_memory, concat("read ", name_, ": more than memory holds"));
            data_ = owned_ = static_cast<char*>(grown);
        }
        const ssize_t got = ::read(fd, owned_ + size_, static_cast<std::size_t>(capacity - size_));
        if (got == 0)
            return;
        if (got > 0) {
            size_ += static_cast<std::uint64_t>(got);
            // An endless stream of something else is not to fill the memory.
            if (size_ >= kSignature.size() &&
                !std::string_view(data_, size_).starts_with(kSignature))
                fail(ErrorCode::bad_format, concat(name_, ": not an HDF5 file"));
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            pollfd waiting{fd, POLLIN, 0};
            ::poll(&waiting, 1, -1);
        } else if (errno != EINTR) {
            fail_errno(concat("read ", name_), errno);
        }
    }
}

void ByteSource::set_base(std::uint64_t base) {
    expect(base <= size_, "the base of an HDF5 file is in it");
    base_ = base;
}

std::size_t ByteSource::read_some(std::uint64_t address, std::size_t count, void* out) const {
    if (address >= size())
        return 0;
    count = static_cast<std::size_t>(std::min<std::uint64_t>(count, size() - address));
    if (fd_ < 0) {
        if (count > 0)
            std::memcpy(out, data_ + base_ + address, count);
        return count;
    }
    std::size_t done = 0;
    while (done < count) {
        const ssize_t got = ::pread(fd_, static_cast<char*>(out) + done, count - done,
                                    static_cast<off_t>(base_ + address + done));
        if (got == 0)
            break;
        if (got > 0)
            done += static_cast<std::size_t>(got);
        else if (errno != EINTR)
            fail_errno(concat("read ", name_), errno);
    }
    return done;
}

void ByteSource::read(std::uint64_t address, std::size_t count, void* out,
                      std::string_view what) const {
    if (!holds(address, count) || read_some(address, count, out) != count)
        fail(ErrorCode::truncated, concat(what, ": the file ends before it"));
}

std::string ByteSource::read(std::uint64_t address, std::size_t count,
                             std::string_view what) const {
    std::string out;
    if (holds(address, count)) // before memory is asked for
        out.resize(count);
    read(address, count, out.data(), what);
    return out;
}

std::uint64_t ByteCursor::number(std::size_t bytes) {
    const std::string_view taken = take(bytes);
    std::uint64_t out = 0;
    for (std::size_t i = bytes; i-- > 0;)
        out = out << 8 | static_cast<std::uint8_t>(taken[i]);
    return out;
}

std::string_view ByteCursor::take(std::size_t count) {
    if (count > left())
        fail_format(what_, "a record in it is shorter than it says");
    const std::string_view out = bytes_.substr(at_, count);
    at_ += count;
    return out;
}

void fail_format(std::string_view what, std::string_view reason) {
    fail(ErrorCode::bad_format, concat(what, ": not readable as HDF5: ", reason));
}

void fail_unsupported(std::string_view what, std::string_view feature) {
    fail(ErrorCode::unsupported,
         concat(what, ": ", feature,
                ", which this build does not read (h5repack -l CONTI rewrites it)"));
}

} // namespace clip::io::hdf5

// SPDX-License-Identifier: MIT
#include "io/atomic_file.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::io {

namespace {

constexpr std::string_view kSuffix = ".tmp";

/// "dir/" or "" in front of the last component.
std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

/// ".FILE.tmp", with FILE cut so that the name stays within what a folder can hold. It is always
/// the same, so that two writers of one FILE meet, and a killed one litters at most once.
std::string temporary_name(const std::string& path) {
    const std::string base = path.substr(folder_of(path).size());
    return concat(folder_of(path), ".", base.substr(0, NAME_MAX - kSuffix.size() - 1), kSuffix);
}

/// Whether `path` still stands for the file behind `fd`.
bool names(const std::string& path, int fd) {
    struct stat ours {
    }, named{};
    return ::fstat(fd, &ours) == 0 && ::lstat(path.c_str(), &named) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

/// Locks a file for as long as it is open. Closes it and fails where another run holds it. No
/// flock(), because HDF5 takes that one on the file that it writes for us.
void lock(int fd, const std::string& name) {
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    int locked = -1;
    do
        locked = ::fcntl(fd, F_OFD_SETLK, &whole);
    while (locked != 0 && errno == EINTR);
    if (locked == 0)
        return;
    const int error = errno;
    ::close(fd);
    if (error == EAGAIN || error == EACCES)
        fail(ErrorCode::io_failure, concat("write ", name, ": another run is writing this file"));
    fail_errno(concat("lock ", name), error);
}

/// A new, empty and locked file. One of that name that nobody holds is what a killed run left, and
/// is removed under its own lock; a lock on what was renamed or removed meanwhile is worth nothing.
int create_locked(const std::string& temporary, const std::string& name) {
    while (true) {
        int fd = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        const bool left_over = fd < 0 && errno == EEXIST;
        if (left_over)
            fd = ::open(temporary.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 && left_over && errno == ENOENT)
            continue;
        if (fd < 0)
            fail_errno(left_over ? concat("open ", temporary) : concat("write ", name), errno);
        lock(fd, name);
        if (names(temporary, fd)) {
            if (!left_over)
                return fd;
            if (::unlink(temporary.c_str()) != 0) {
                const int error = errno;
                ::close(fd);
                fail_errno(concat("remove ", temporary), error);
            }
        }
        ::close(fd);
    }
}

/// The descriptor that /dev/stdout, /dev/fd/N and their like stand for, or -1. Opening these by
/// name would begin a redirected file anew, at its first byte.
int descriptor_named(const std::string& path) {
    if (path == "/dev/stdout")
        return STDOUT_FILENO;
    if (path == "/dev/stderr")
        return STDERR_FILENO;
    for (const std::string_view prefix : {"/dev/fd/", "/proc/self/fd/"}) {
        int number = -1;
        if (!path.starts_with(prefix))
            continue;
        const char* end = path.data() + path.size();
        const auto parsed = std::from_chars(path.data() + prefix.size(), end, number);
        if (parsed.ec == std::errc() && parsed.ptr == end)
            return number;
    }
    return -1;
}

void sync_folder(const std::string& folder) {
    const int fd =
        ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return; // a folder that can be written but not read: the rename has happened all the same
    ::fsync(fd);
    ::close(fd);
}

} // namespace

std::string resolve_links(const std::string& path) {
    std::string at = path;
    for (int hops = 0; hops < 40; ++hops) {
        std::array<char, PATH_MAX> link{};
        const ssize_t length = ::readlink(at.c_str(), link.data(), link.size());
        if (length < 0)
            return at; // not a link, or not there: open() will say so
        const std::string to(link.data(), static_cast<std::size_t>(length));
        at = to.starts_with('/') ? to : folder_of(at) + to;
    }
    fail_errno(path, ELOOP);
}

bool is_stream_target(const std::string& path) {
    struct stat info {};
    return descriptor_named(path) >= 0 ||
           (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode));
}

AtomicFile::AtomicFile(const std::string& path) : name_(path) {
    if (path.empty())
        fail(ErrorCode::invalid_argument, "write output: the file name is empty");
    if (is_stream_target(path)) {
        const int named = descriptor_named(path);
        fd_ = named >= 0 ? ::fcntl(named, F_DUPFD_CLOEXEC, 0)
                         : ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
        if (fd_ < 0)
            fail_errno(concat("write ", path), errno);
        return;
    }
    target_ = resolve_links(path);
    struct stat info {};
    const bool exists = ::stat(target_.c_str(), &info) == 0;
    if (exists && S_ISDIR(info.st_mode))
        fail_errno(concat("write ", path), EISDIR);
    if (exists && ::access(target_.c_str(), W_OK) != 0)
        fail_errno(concat("write ", path), errno);
    temporary_ = temporary_name(target_);
    fd_ = create_locked(temporary_, path);
    if (exists) {
        // The owner can be kept by root only, and a mode that cannot be kept is no reason to stop.
        if (::fchown(fd_, info.st_uid, info.st_gid) == 0 || info.st_uid == ::geteuid())
            (void)::fchmod(fd_, info.st_mode & 07777);
    }
}

AtomicFile::~AtomicFile() {
    if (fd_ < 0)
        return;
    // Before the lock goes, and never what another run has begun under this name since.
    if (!is_stream() && names(temporary_, fd_))
        ::unlink(temporary_.c_str());
    ::close(fd_);
}

void AtomicFile::commit() {
    expect(fd_ >= 0, "commit: the file was committed before");
    // A pipe or a terminal cannot be synced and says EINVAL; nothing is lost by that.
    if (!is_stream() && ::fsync(fd_) != 0)
        fail_errno(concat("write ", name_), errno);
    // Renamed before it is closed: with the lock gone, the name would be anybody's.
    if (!is_stream() && ::rename(temporary_.c_str(), target_.c_str()) != 0)
        fail_errno(concat("write ", name_), errno);
    const int fd = fd_;
    fd_ = -1;
    if (::close(fd) != 0 && errno != EINTR)
        fail_errno(concat("close ", name_), errno);
    if (!is_stream())
        sync_folder(folder_of(target_));
}

} // namespace clip::io

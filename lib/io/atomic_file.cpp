// SPDX-License-Identifier: MIT
#include "io/atomic_file.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <random>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::io {

namespace {

constexpr std::size_t kRandomLength = 6;
constexpr std::string_view kSuffix = ".tmp";

/// "dir/" or "" in front of the last component.
std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

/// ".FILE." cut so that the whole name stays within what a folder can hold.
std::string temporary_prefix(const std::string& path) {
    const std::string base = path.substr(folder_of(path).size());
    return concat(".", base.substr(0, NAME_MAX - kRandomLength - kSuffix.size() - 2), ".");
}

std::string random_name() {
    constexpr std::string_view kLetters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    std::random_device source;
    std::string out;
    for (std::size_t i = 0; i < kRandomLength; ++i)
        out += kLetters[source() % kLetters.size()];
    return out;
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
    const std::string prefix = folder_of(target_) + temporary_prefix(target_);
    do {
        temporary_ = concat(prefix, random_name(), kSuffix);
        fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (fd_ < 0 && errno == EEXIST);
    if (fd_ < 0) {
        const int error = errno;
        temporary_.clear();
        fail_errno(concat("write ", path), error);
    }
    if (exists) {
        // The owner can be kept by root only, and a mode that cannot be kept is no reason to stop.
        if (::fchown(fd_, info.st_uid, info.st_gid) == 0 || info.st_uid == ::geteuid())
            (void)::fchmod(fd_, info.st_mode & 07777);
    }
}

AtomicFile::~AtomicFile() {
    if (fd_ >= 0)
        ::close(fd_);
    if (!temporary_.empty())
        ::unlink(temporary_.c_str());
}

void AtomicFile::commit() {
    expect(fd_ >= 0, "commit: the file was committed before");
    // A pipe or a terminal cannot be synced and says EINVAL; nothing is lost by that.
    if (!is_stream() && ::fsync(fd_) != 0)
        fail_errno(concat("write ", name_), errno);
    const int fd = fd_;
    fd_ = -1;
    if (::close(fd) != 0 && errno != EINTR)
        fail_errno(concat("close ", name_), errno);
    if (is_stream())
        return;
    if (::rename(temporary_.c_str(), target_.c_str()) != 0)
        fail_errno(concat("write ", name_), errno);
    temporary_.clear();
    sync_folder(folder_of(target_));
}

void AtomicFile::remove_leftovers(const std::string& path) {
    const std::string target = resolve_links(path);
    const std::string folder = folder_of(target);
    const std::string prefix = temporary_prefix(target);
    DIR* listing = ::opendir(folder.empty() ? "." : folder.c_str());
    if (listing == nullptr)
        return;
    while (const dirent* entry = ::readdir(listing)) {
        const std::string_view name = entry->d_name;
        if (name.size() == prefix.size() + kRandomLength + kSuffix.size() &&
            name.starts_with(prefix) && name.ends_with(kSuffix))
            ::unlink((folder + std::string(name)).c_str());
    }
    ::closedir(listing);
}

} // namespace clip::io

// SPDX-License-Identifier: MIT
#include "io/atomic_folder.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <filesystem>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/atomic_file.hpp"

namespace clip::io {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".tmp";

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

std::string without_trailing_slashes(std::string path) {
    while (path.size() > 1 && path.ends_with('/'))
        path.pop_back();
    return path;
}

bool is_own(std::string_view name, std::span<const std::string_view> own_names) {
    // What AtomicFile writes into before it renames.
    if (name.starts_with('.') && name.ends_with(kSuffix))
        name = name.substr(1, name.size() - 1 - kSuffix.size());
    return std::find(own_names.begin(), own_names.end(), name) != own_names.end();
}

/// The files of a folder. Errors: invalid_argument (something that is not ours to remove).
std::vector<fs::path> own_files(const std::string& folder,
                                std::span<const std::string_view> own_names) {
    std::vector<fs::path> files;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        std::error_code ignored;
        const bool plain = !fs::is_directory(it->symlink_status(ignored));
        if (!plain || !is_own(it->path().filename().string(), own_names))
            fail(ErrorCode::invalid_argument,
                 concat("replace ", folder, ": it holds ", it->path().filename().string(),
                        ", which would be lost; move it away, or name another folder"));
        files.push_back(it->path());
    }
    if (error)
        fail_errno(concat("read ", folder), error.value());
    return files;
}

void clear(const std::string& folder, std::span<const std::string_view> own_names) {
    for (const fs::path& file : own_files(folder, own_names))
        if (::unlink(file.c_str()) != 0 && errno != ENOENT)
            fail_errno(concat("remove ", file.string()), errno);
}

bool names(const std::string& path, int fd) {
    struct stat ours {
    }, named{};
    return ::fstat(fd, &ours) == 0 && ::lstat(path.c_str(), &named) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

/// A new, empty and locked folder. One of that name that nobody holds is what a killed run left.
int create_locked(const std::string& temporary, const std::string& name,
                  std::span<const std::string_view> own_names) {
    while (true) {
        if (::mkdir(temporary.c_str(), 0777) != 0 && errno != EEXIST)
            fail_errno(concat("write ", name), errno);
        const int fd = ::open(temporary.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
            continue;
        if (fd < 0)
            fail_errno(concat("open ", temporary), errno);
        // A file system that cannot lock folders (NFS) is no reason to stop.
        if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            ::close(fd);
            fail(ErrorCode::io_failure,
                 concat("write ", name, ": another run is writing this folder"));
        }
        if (!names(temporary, fd)) {
            ::close(fd);
            continue;
        }
        try {
            clear(temporary, own_names);
        } catch (...) {
            ::close(fd);
            throw;
        }
        return fd;
    }
}

/// Makes the names in a folder durable.
void sync_folder(const std::string& folder) {
    const int fd =
        ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return; // a folder that can be written but not read: the rename has happened all the same
    ::fsync(fd);
    ::close(fd);
}

} // namespace

AtomicFolder::AtomicFolder(const std::string& path, std::span<const std::string_view> own_names,
                           bool overwrite)
    : name_(path), own_names_(own_names), overwrite_(overwrite) {
    if (path.empty())
        fail(ErrorCode::invalid_argument, "write output: the folder's name is empty");
    target_ = without_trailing_slashes(resolve_links(without_trailing_slashes(path)));
    const std::string base = target_.substr(parent_of(target_).size());
    if (base.empty() || base == "." || base == "..")
        fail(ErrorCode::invalid_argument,
             concat("write ", path, ": a folder must be named by its own name"));
    check_target();
    temporary_ =
        concat(parent_of(target_), ".", base.substr(0, NAME_MAX - kSuffix.size() - 1), kSuffix);
    fd_ = create_locked(temporary_, path, own_names_);
}

void AtomicFolder::check_target() const {
    struct stat info {};
    if (::lstat(target_.c_str(), &info) != 0) {
        if (errno != ENOENT)
            fail_errno(concat("write ", name_), errno);
        return;
    }
    if (!S_ISDIR(info.st_mode))
        fail(ErrorCode::invalid_argument,
             concat("write ", name_, ": it is there already, and is no folder"));
    if (!overwrite_)
        fail(ErrorCode::invalid_argument,
             concat("write ", name_, ": it is there already (--overwrite replaces it)"));
    own_files(target_, own_names_);
}

AtomicFolder::~AtomicFolder() {
    if (fd_ < 0)
        return;
    try {
        if (names(temporary_, fd_)) {
            clear(temporary_, own_names_);
            ::rmdir(temporary_.c_str());
        }
    } catch (const Error&) {
        // What cannot be removed stays; the next run says what it is.
    }
    ::close(fd_);
}

void AtomicFolder::commit() {
    expect(fd_ >= 0, "commit: the folder was committed before");
    check_target();
    if (::fsync(fd_) != 0 && errno != EINVAL)
        fail_errno(concat("write ", name_), errno);
    const char* from = temporary_.c_str();
    const char* to = target_.c_str();
    struct stat old {};
    const bool exists = ::lstat(to, &old) == 0;
    if (exists) {
        (void)::fchmod(fd_, old.st_mode & 07777);
        if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) != 0) {
            const int error = errno;
            if (error == EINVAL || error == ENOSYS)
                fail(ErrorCode::unsupported,
                     concat("write ", name_,
                            ": this file system cannot exchange two folders; "
                            "remove it first, or name another"));
            fail_errno(concat("write ", name_), error);
        }
    } else if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) != 0) {
        // Plain rename() replaces nothing but an empty folder.
        if ((errno != EINVAL && errno != ENOSYS) || ::rename(from, to) != 0)
            fail_errno(concat("write ", name_), errno);
    }
    sync_folder(parent_of(target_));
    ::close(fd_);
    fd_ = -1;
    if (exists) {
        clear(temporary_, own_names_);
        if (::rmdir(from) != 0)
            fail_errno(concat("remove ", temporary_), errno);
    }
}

} // namespace clip::io

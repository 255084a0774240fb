// SPDX-License-Identifier: MIT
// "-o FILE replaces FILE only when its new content is complete."
#pragma once

#include <string>

namespace clip::io {

/// Where writing to `path` ends up: symbolic links followed, also a link to nothing yet.
/// Errors: io_failure (links in a circle).
std::string resolve_links(const std::string& path);

/// Whether `path` can only be written as a stream: a pipe, a terminal, /dev/stdout, /dev/null.
bool is_stream_target(const std::string& path);

/// A file that comes to be under its name all at once.
///
/// Writes go to `.FILE.tmp` in the same folder, which is locked while this lives; commit() makes
/// them durable and renames. Without commit() nothing of it stays; what a killed run left behind is
/// taken away by the next one. A FILE that is there keeps its mode, and a symbolic link
/// stays a link. A stream target is opened and written directly.
class AtomicFile {
  public:
    /// Errors: not_found, io_failure (no such folder, a folder of that name, no permission, another
    /// run is writing it).
    explicit AtomicFile(const std::string& path);
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    int fd() const { return fd_; }
    /// The name that the user gave, for messages.
    const std::string& name() const { return name_; }
    /// Where the bytes are until commit(); empty for a stream target.
    const std::string& temporary_path() const { return temporary_; }
    bool is_stream() const { return temporary_.empty(); }

    /// Syncs, closes, renames. Errors: io_failure (and then FILE is as it was).
    void commit();

  private:
    std::string name_;
    std::string target_;
    std::string temporary_;
    int fd_ = -1;
};

} // namespace clip::io

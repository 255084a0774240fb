// SPDX-License-Identifier: MIT
// A folder that comes to be under its name all at once, as AtomicFile does it for a file.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace clip::io {

/// A new folder of plain files.
///
/// Files are written into `.FOLDER.tmp` beside it, which is locked while this lives; commit() makes
/// them durable and renames. Where there is a FOLDER already the two are exchanged in one step, and
/// the old one is removed afterwards: a kill at any moment leaves one of them under the name,
/// whole. Without commit() nothing stays. What a killed run left behind the next one takes away.
///
/// Nothing that might be somebody's work is ever removed: a folder is replaced, and a leftover
/// cleared, only where `own_names` lists every file in it (temporary files of them included).
class AtomicFolder {
  public:
    /// Errors: invalid_argument (FOLDER is there and `overwrite` is false, it is no folder, it
    /// holds other files, or its name is empty, "/", "." or ".."), not_found, io_failure (no folder
    /// above it, no permission, another run is writing it).
    AtomicFolder(const std::string& path, std::span<const std::string_view> own_names,
                 bool overwrite);
    ~AtomicFolder();
    AtomicFolder(const AtomicFolder&) = delete;
    AtomicFolder& operator=(const AtomicFolder&) = delete;

    /// Where the files are to be written. They must be synced, as AtomicFile's are.
    const std::string& temporary_path() const { return temporary_; }

    /// Errors: those of the constructor, for what came to be under the name since; io_failure (and
    /// then FOLDER is as it was).
    void commit();

  private:
    void check_target() const;

    std::string name_;   ///< as it was given
    std::string target_; ///< links followed
    std::string temporary_;
    std::span<const std::string_view> own_names_;
    bool overwrite_;
    int fd_ = -1;
};

} // namespace clip::io

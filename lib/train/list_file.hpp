// SPDX-License-Identifier: MIT
// A text file of many records, of which only the places are kept.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/delimited.hpp"
#include "train/pair_source.hpp"

namespace clip::train {

/// The places of the records of a list. A file that changes after it was opened gives errors or
/// other records, never a crash.
class ListFile {
  public:
    /// Longer records are left out, and so is a quoted field that never ends.
    static constexpr std::size_t kMaxRecord = std::size_t{1} << 20;

    /// Finds all records that are not blank. Errors: not_found, io_failure, bad_format (not a
    /// regular file, UTF-16, no record at all).
    ListFile(const std::string& path, const io::DelimitedFormat& format,
             const PairSourceOptions& options);
    ~ListFile();
    ListFile(const ListFile&) = delete;
    ListFile& operator=(const ListFile&) = delete;

    std::uint64_t size() const { return begin_.size() - 1; }
    /// Reads a record again, from any thread. Errors: io_failure, truncated.
    std::string read(std::uint64_t record) const;
    /// Takes the first record away.
    void drop_first() { begin_.erase(begin_.begin()); }
    const std::string& path() const { return path_; }
    /// A picture's path as it stands in the list, seen from here.
    std::string resolve(const std::string& path) const;

  private:
    std::string path_;
    std::string folder_; ///< with its slash, or empty
    io::DelimitedFormat format_;
    int fd_ = -1;
    std::vector<std::uint64_t> begin_; ///< and the end of the last
};

} // namespace clip::train

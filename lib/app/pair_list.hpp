// SPDX-License-Identifier: MIT
// Which pictures and captions belong together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "app/failure_log.hpp"
#include "search/retrieval.hpp"

namespace clip::app {

/// Names in the order in which they first came, each once.
class NameList {
  public:
    /// The index of `name`, which is added where it is not there.
    std::uint32_t add(std::string name);
    std::optional<std::uint32_t> find(const std::string& name) const;
    std::size_t size() const { return names_.size(); }
    const std::string& operator[](std::size_t index) const { return names_[index]; }

  private:
    std::vector<std::string> names_;
    std::unordered_map<std::string, std::uint32_t> index_;
};

/// Indices of `pairs` are those of the two lists.
struct PairList {
    NameList pictures; ///< paths, as raw bytes
    NameList captions; ///< texts
    std::vector<ItemPair> pairs;

    void add(std::string picture, std::string caption);
};

/// Reads lines path<TAB>caption (the first tab divides), or, where the file's name ends in .jsonl
/// or .ndjson, objects with the keys path and text. "-" is standard input, where lines that begin
/// with a brace are objects. A first line that names columns (train/table_columns.hpp) is a header:
/// tabs then divide all fields. A .csv has one. Blank lines are passed over. A line that cannot be
/// read failed: it is named ("pairs.tsv:7"), and the rest goes on.
/// Errors: not_found, io_failure, bad_format (a .csv without a header, or without anything).
PairList read_pairs(const std::string& path, FailureLog& failures);

/// The key `path` among carried members, decoded. Empty where there is none.
/// Errors: bad_format (it is not a string, or not a path).
std::string carried_path(std::string_view members);

} // namespace clip::app

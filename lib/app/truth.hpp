// SPDX-License-Identifier: MIT
// What inputs really are, and how often a classifier says so.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "app/input_source.hpp"

namespace clip::app {

/// Where the true label of an input comes from.
class Truth {
  public:
    /// `source` is "folder" (the name of the folder that a picture lies in; where the
    /// path does not spell it, as in ./1.png, that folder's name on this machine), or a file of
    /// lines path<TAB>label, where a path is spelt as the input is. Errors: those of
    /// read_text_lines; bad_format (a line without a tab, a path twice with two labels).
    /// With `several`, a path may have several labels in a file: separated by '|', in lines of
    /// their own, or both; none after the tab says that it has none of them.
    explicit Truth(const std::string& source, bool several = false);

    /// Nothing where the source does not tell. With `several`, the first label.
    std::optional<std::string> of(const Input& input) const;
    /// All labels, each once, in the order of the file; nothing where the source does not tell.
    std::optional<std::vector<std::string>> all_of(const Input& input) const;

  private:
    bool by_folder_ = false;
    std::unordered_map<std::string, std::vector<std::string>> labels_;
};

/// Counts of a classifier's answers against the truth.
class Scoreboard {
  public:
    explicit Scoreboard(std::vector<std::string> labels);

    /// One input. `scores` (C); ties go to the class that comes first, as in the records. What has
    /// no truth, or a truth that is no label, is not counted among `n`.
    void add(const std::optional<std::string>& truth, std::span<const float> scores);

    /// Inputs that were counted.
    std::uint64_t n() const { return n_; }
    /// Truths that are no label of the classifier, with how often they came.
    const std::map<std::string, std::uint64_t>& strange() const { return strange_; }

    /// A JSON object: n, top1, top5, mean_per_class (null where n is 0), without_truth,
    /// strange_truth, confusion {labels, matrix}: rows are truths, columns answers; over 4,096
    /// classes, where it would be longer than anybody reads, matrix is null.
    std::string to_json() const;
    /// A few lines for a person, each ending in a newline.
    std::string to_text() const;

  private:
    double mean_per_class() const;
    std::uint64_t count(std::size_t truth, std::size_t answer) const;

    std::vector<std::string> labels_;
    std::unordered_map<std::string, std::size_t> index_;
    std::map<std::pair<std::size_t, std::size_t>, std::uint64_t> confusion_; // (truth, answer)
    std::uint64_t n_ = 0, top1_ = 0, top5_ = 0, without_ = 0;
    std::map<std::string, std::uint64_t> strange_;
};

} // namespace clip::app

// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/truth.hpp"
#include "base/error.hpp"

namespace clip::app {

/// The true classes of inputs, as indices, for a task in which every input needs a truth.
class ClassTruth {
  public:
    /// With `several`, an input may have any number of classes. Errors: those of Truth.
    ClassTruth(const std::string& source, bool several, const std::vector<std::string>& labels);

    /// Exactly one class, or any number with `several`.
    /// Errors in the result: not_found (the source says nothing of this input; its label is none of
    /// the classes).
    std::optional<Error> classes_of(const Input& input, std::vector<std::size_t>& classes) const;

  private:
    std::string source_;
    bool several_;
    Truth truth_;
    std::unordered_map<std::string, std::size_t> index_;
};

} // namespace clip::app

// SPDX-License-Identifier: MIT
// Batches on a device whose memory nobody has measured against the model.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>

namespace clip::app {

/// Cuts batches into parts that the device has had room for.
class PartsThatFit {
  public:
    /// Calls run(first, count) for parts that follow one another and cover [0, count). One for
    /// which there is no room is halved, and later parts are no larger. Returns whether this call
    /// made parts smaller.
    /// Errors: out_of_memory (no room for one item), and the others of `run`.
    bool run(std::size_t count, const std::function<void(std::size_t, std::size_t)>& run);
    /// Items of the largest part from here on.
    std::size_t most() const { return most_; }

  private:
    std::size_t most_ = std::numeric_limits<std::size_t>::max();
};

} // namespace clip::app

// SPDX-License-Identifier: MIT
// The extents of a dense row-major tensor of rank 0 to 4.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "base/error.hpp"

namespace clip {

class Shape {
  public:
    static constexpr std::size_t kMaxRank = 4;

    Shape() = default;
    /// Errors: shape_mismatch (rank over 4, a negative extent, more than 2^62 elements).
    Shape(std::initializer_list<std::int64_t> extents)
        : Shape(std::span<const std::int64_t>(extents.begin(), extents.size())) {}
    explicit Shape(std::span<const std::int64_t> extents);

    std::size_t rank() const { return rank_; }
    std::int64_t operator[](std::size_t axis) const { return extents_[axis]; }
    std::int64_t back() const { return rank_ == 0 ? 1 : extents_[rank_ - 1]; }
    /// The number of elements; 1 for rank 0.
    std::int64_t numel() const { return numel_; }
    std::span<const std::int64_t> extents() const { return {extents_.data(), rank_}; }
    /// "(2, 3, 4)".
    std::string to_string() const;

    bool operator==(const Shape& other) const = default;

  private:
    std::array<std::int64_t, kMaxRank> extents_{};
    std::size_t rank_ = 0;
    std::int64_t numel_ = 1;
};

} // namespace clip

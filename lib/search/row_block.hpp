// SPDX-License-Identifier: MIT
// A block of rows as one thread of a search works on it: read, measured, checked.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.hpp"
#include "base/error.hpp"
#include "search/row_set.hpp"

namespace clip {

/// Rows that take no part in a search, and why.
struct BadRows {
    std::uint64_t first = 0; ///< ordinal of the first
    std::uint64_t count = 0;
    Error error;
};

class RowBlock {
  public:
    /// Reads rows [first, first + count) and computes their lengths. What cannot be used is
    /// appended to `bad`, with ordinals `ordinal` + its number in `rows`: the whole block where it
    /// cannot be read (false is returned), or rows that hold a value which is not finite, are all
    /// zeros, or of a length that float32 cannot divide by.
    bool load(Backend& backend, const RowSet& rows, std::int64_t first, std::int64_t count,
              std::uint64_t ordinal, std::vector<BadRows>& bad);

    std::int64_t rows() const { return count_; }
    /// Rows [first, first + count) of the block; bad ones hold a placeholder.
    ConstView view(std::int64_t first, std::int64_t count) const;
    ConstView row(std::int64_t index) const { return view(index, 1); }
    std::span<const float> inverse_norms() const { return inverse_norms_; }
    /// Length of a row, in float64.
    double norm(std::int64_t row) const { return norms_[static_cast<std::size_t>(row)]; }
    bool is_bad(std::int64_t row) const {
        return any_bad_ && bad_[static_cast<std::size_t>(row)] != 0;
    }

  private:
    std::int64_t count_ = 0, width_ = 0;
    DType store_ = DType::f32;
    std::vector<std::byte> data_;
    std::vector<double> norms_;
    std::vector<float> inverse_norms_;
    std::vector<std::uint8_t> bad_;
    bool any_bad_ = false;
};

} // namespace clip

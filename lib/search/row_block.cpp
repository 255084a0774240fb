// SPDX-License-Identifier: MIT
#include "search/row_block.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/exact_dots.hpp"

namespace clip {

namespace {
// Between these a length and its inverse are ordinary float32 numbers.
constexpr double kShortest = 1e-30, kLongest = 1e30;
} // namespace

bool RowBlock::load(Backend& backend, const RowSet& rows, std::int64_t first, std::int64_t count,
                    std::uint64_t ordinal, std::vector<BadRows>& bad) {
    count_ = count;
    width_ = rows.width();
    store_ = rows.store();
    const std::size_t row_bytes = static_cast<std::size_t>(width_) * dtype_size(store_);
    const auto size = static_cast<std::size_t>(count);
    data_.resize(std::max(data_.size(), size * row_bytes));
    norms_.resize(size);
    inverse_norms_.resize(size);
    any_bad_ = false;
    const std::uint64_t start = ordinal + static_cast<std::uint64_t>(first);
    try {
        rows.read(first, count, data_.data());
    } catch (const Error& error) {
        bad.push_back({start, static_cast<std::uint64_t>(count), error});
        return false;
    }
    ops::exact_dots(backend, {.rows = view(0, count), .norms2 = norms_});
    for (std::size_t r = 0; r < size; ++r) {
        const double norm = std::sqrt(norms_[r]);
        norms_[r] = norm;
        if (norm >= kShortest && norm <= kLongest) {
            inverse_norms_[r] = static_cast<float>(1 / norm);
            continue;
        }
        const char* why = !std::isfinite(norm) ? "a value is not finite"
                          : norm == 0          ? "all values are zero, so that it has no direction"
                          : norm < kShortest   ? "its length is too small to divide by"
                                               : "its length is too large to divide by";
        bad.push_back({start + r, 1, Error(ErrorCode::bad_format, why)});
        if (!any_bad_)
            bad_.assign(size, 0);
        any_bad_ = true;
        bad_[r] = 1;
        // A unit vector in its place, which nobody reports.
        std::byte* row = data_.data() + r * row_bytes;
        std::memset(row, 0, row_bytes);
        const float one = 1;
        convert_from_f32(row, store_, &one, 1);
        norms_[r] = inverse_norms_[r] = 1;
    }
    return true;
}

ConstView RowBlock::view(std::int64_t first, std::int64_t count) const {
    const std::size_t row_bytes = static_cast<std::size_t>(width_) * dtype_size(store_);
    return {data_.data() + static_cast<std::size_t>(first) * row_bytes,
            Shape{count, width_},
            store_,
            {}};
}

} // namespace clip

// SPDX-License-Identifier: MIT
#include "base/shape.hpp"

#include "base/concat.hpp"

namespace clip {

Shape::Shape(std::span<const std::int64_t> extents) {
    if (extents.size() > kMaxRank)
        fail(ErrorCode::shape_mismatch,
             concat("tensor shape: too many axes (got ", extents.size(), ", want at most 4)"));
    rank_ = extents.size();
    for (std::size_t axis = 0; axis < rank_; ++axis) {
        const std::int64_t extent = extents[axis];
        if (extent < 0)
            fail(ErrorCode::shape_mismatch, concat("tensor shape: negative extent ", extent));
        if (extent != 0 && numel_ > (std::int64_t{1} << 62) / extent)
            fail(ErrorCode::shape_mismatch, "tensor shape: too many elements");
        numel_ *= extent;
        extents_[axis] = extent;
    }
}

std::string Shape::to_string() const {
    std::string out = "(";
    for (std::size_t axis = 0; axis < rank_; ++axis)
        out += concat(axis == 0 ? "" : ", ", extents_[axis]);
    return out + ")";
}

} // namespace clip

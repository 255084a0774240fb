// SPDX-License-Identifier: MIT
#include "tensor/arena.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace clip {

namespace {
constexpr std::size_t kLeastBlock = std::size_t{1} << 20;
} // namespace

MutView Arena::take(const Shape& shape, DType dtype) {
    const auto multiple = static_cast<std::size_t>(alignment(memory_.device().is_cpu()));
    const std::size_t bytes =
        (static_cast<std::size_t>(shape.numel()) * dtype_size(dtype) + multiple - 1) / multiple *
        multiple;
    while (block_ < blocks_.size() && blocks_[block_].size() - used_ < bytes) {
        ++block_; // too small for this one: its rest stays unused until the stack is rewound
        used_ = 0;
    }
    if (block_ == blocks_.size())
        blocks_.emplace_back(std::max(bytes, kLeastBlock), memory_);
    MutView view{blocks_[block_].data() + used_, shape, dtype, memory_.device()};
    used_ += bytes;
    total_ += static_cast<std::int64_t>(bytes);
    peak_ = std::max(peak_, total_);
    return view;
}

void Arena::rewind(const Mark& mark) {
    expect(mark.total <= total_, "an arena is rewound to an earlier height");
    block_ = mark.block;
    used_ = mark.used;
    total_ = mark.total;
    if (total_ == 0 && !blocks_.empty() &&
        blocks_.front().size() < static_cast<std::size_t>(peak_)) {
        blocks_.clear();
        block_ = used_ = 0;
        blocks_.emplace_back(static_cast<std::size_t>(peak_), memory_);
    }
    // Of several blocks none is worth keeping above the mark: a tensor of another size would leave
    // a part of it unused.
    const std::size_t wanted = used_ > 0 || block_ == 0 ? block_ + 1 : block_;
    if (wanted < blocks_.size())
        blocks_.resize(wanted);
}

} // namespace clip

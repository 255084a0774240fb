// SPDX-License-Identifier: MIT
#include "backend/cuda/workspace.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace clip::cuda {

namespace {
constexpr std::size_t kAlignment = 256;
constexpr std::size_t kLeastBlock = std::size_t{8} << 20;
} // namespace

void* Workspace::take(std::size_t bytes) {
    const std::size_t wanted = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    while (block_ < blocks_.size() && blocks_[block_].size() - used_ < wanted) {
        ++block_;
        used_ = 0;
    }
    if (block_ == blocks_.size())
        blocks_.emplace_back(allocator_, std::max(wanted, kLeastBlock));
    void* at = blocks_[block_].as<std::byte>() + used_;
    used_ += wanted;
    total_ += wanted;
    peak_ = std::max(peak_, total_);
    forget_contents(at, wanted);
    return at;
}

void Workspace::rewind(std::size_t block, std::size_t used, std::size_t total) noexcept {
    block_ = block;
    used_ = used;
    total_ = total;
    if (total_ > 0 || blocks_.size() < 2 || stream_.capturing())
        return;
    ++generation_;
    blocks_.clear();
    block_ = used_ = 0;
    try {
        blocks_.emplace_back(allocator_, peak_);
    } catch (...) { // the next take says so
    }
}

} // namespace clip::cuda

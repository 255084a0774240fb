// SPDX-License-Identifier: MIT
#include "backend/cuda/device_memory.hpp"

#include <algorithm>
#include <tuple>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda {

namespace {

constexpr std::size_t kMebibyte = std::size_t{1} << 20;
constexpr std::size_t kSmallStep = 512;
constexpr std::size_t kLarge = kMebibyte;
/// What the driver hands out at least, so that smaller steps would save nothing.
constexpr std::size_t kLargeStep = std::size_t{2} << 20;

std::size_t rounded(std::size_t bytes) {
    const std::size_t step = bytes >= kLarge ? kLargeStep : kSmallStep;
    const std::size_t up = (std::max<std::size_t>(bytes, 1) + step - 1) / step * step;
    if (up < bytes)
        fail(ErrorCode::out_of_memory,
             concat("cuda: allocate device memory: ", bytes, " bytes is too much"));
    return up;
}

} // namespace

DeviceAllocator::~DeviceAllocator() {
    trim();
    for (const auto& [at, size] : sizes_)
        free_device(at);
}

void* DeviceAllocator::allocate(std::size_t bytes) {
    const std::size_t size = rounded(bytes);
    // A block that is an eighth too large is better used than kept.
    const auto found = free_.lower_bound(size);
    void* at = nullptr;
    std::size_t got = size;
    if (found != free_.end() && found->first <= size + size / 8) {
        std::tie(got, at) = *found;
        sizes_.emplace(at, got);
        free_.erase(found);
        kept_ -= got;
        forget_contents(at, got);
    } else {
        at = from_device(size);
        sizes_.emplace(at, size);
    }
    used_ += got;
    ++changes_;
    peak_ = std::max(peak_, used_);
    return at;
}

void* DeviceAllocator::from_device(std::size_t bytes) {
    ++device_allocations_;
    if (!free_.empty()) {
        try {
            return allocate_device(bytes);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::out_of_memory)
                throw;
        }
        trim();
    }
    try {
        return allocate_device(bytes);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::out_of_memory)
            throw;
        const MemoryState state = memory_state();
        fail(ErrorCode::out_of_memory,
             concat(error.what(), " (", state.free_bytes / kMebibyte, " of ",
                    state.total_bytes / kMebibyte, " MiB are free, this run has ",
                    used_ / kMebibyte, ")"));
    }
}

void DeviceAllocator::release(void* at) noexcept {
    const auto found = sizes_.find(at);
    if (found == sizes_.end())
        return;
    const std::size_t size = found->second;
    used_ -= size;
    ++changes_;
    sizes_.erase(found);
    try {
        free_.emplace(size, at);
        kept_ += size;
    } catch (...) { // no host memory for the note
        free_device(at);
    }
}

void DeviceAllocator::trim() noexcept {
    for (const auto& [size, at] : free_)
        free_device(at);
    free_.clear();
    kept_ = 0;
}

} // namespace clip::cuda

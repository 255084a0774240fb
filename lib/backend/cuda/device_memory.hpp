// SPDX-License-Identifier: MIT
// Device memory that is kept when it is freed: cudaMalloc and cudaFree wait for the device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <unordered_map>

#include "backend/cuda/runtime.hpp"

namespace clip::cuda {

/// Hands out blocks, and keeps freed ones for requests of nearly their size.
///
/// A block that is freed may be handed out at once while kernels that use it are still queued, so
/// all that touches blocks goes through one stream. Used by one thread at a time.
class DeviceAllocator {
  public:
    DeviceAllocator() = default;
    ~DeviceAllocator();
    DeviceAllocator(const DeviceAllocator&) = delete;
    DeviceAllocator& operator=(const DeviceAllocator&) = delete;

    /// Aligned to 256 bytes; contents are undefined. 0 bytes get an address, too.
    /// Errors: out_of_memory, after what was kept has been given back to the device.
    void* allocate(std::size_t bytes);
    void release(void* at) noexcept;
    /// Gives all kept blocks back to the device.
    void trim() noexcept;

    std::size_t used_bytes() const { return used_; }
    std::size_t kept_bytes() const { return kept_; }
    std::size_t peak_bytes() const { return peak_; }
    /// How often the device was asked for memory.
    std::uint64_t device_allocations() const { return device_allocations_; }
    /// How often a block was handed out or taken back.
    std::uint64_t changes() const { return changes_; }

  private:
    void* from_device(std::size_t bytes);

    std::multimap<std::size_t, void*> free_;       ///< by size
    std::unordered_map<void*, std::size_t> sizes_; ///< of the blocks that are in use
    std::size_t used_ = 0, kept_ = 0, peak_ = 0;
    std::uint64_t device_allocations_ = 0, changes_ = 0;
};

/// A block for as long as this lives. Move-only.
class DeviceBuffer {
  public:
    DeviceBuffer() = default;
    DeviceBuffer(DeviceAllocator& from, std::size_t bytes)
        : from_(&from), data_(from.allocate(bytes)), size_(bytes) {}
    ~DeviceBuffer() {
        if (data_ != nullptr)
            from_->release(data_);
    }
    DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
    DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
        swap(other);
        return *this;
    }

    void* data() const { return data_; }
    template <typename T>
    T* as() const {
        return static_cast<T*>(data_);
    }
    std::size_t size() const { return size_; }
    bool empty() const { return data_ == nullptr; }

  private:
    void swap(DeviceBuffer& other) noexcept {
        std::swap(from_, other.from_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
    }

    DeviceAllocator* from_ = nullptr;
    void* data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace clip::cuda

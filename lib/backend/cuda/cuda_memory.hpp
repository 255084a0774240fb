// SPDX-License-Identifier: MIT
// Tensors of the device.
#pragma once

#include "backend/cuda/device_memory.hpp"
#include "backend/cuda/transfer.hpp"
#include "tensor/memory.hpp"

namespace clip::cuda {

/// Memory of the device, in order with the ops of its context.
class CudaMemory final : public Memory {
  public:
    CudaMemory(Device device, DeviceAllocator& allocator, Transfer& transfer, Stream& stream)
        : device_(device), allocator_(allocator), transfer_(transfer), stream_(stream) {}

    Device device() const override { return device_; }
    void* allocate(std::size_t bytes) override { return allocator_.allocate(bytes); }
    void release(void* at, std::size_t) noexcept override {
        if (at != nullptr)
            allocator_.release(at);
    }
    void upload(void* to, const void* host_from, std::size_t bytes) override {
        transfer_.upload(to, host_from, bytes);
    }
    void download(void* host_to, const void* from, std::size_t bytes) override {
        transfer_.download(host_to, from, bytes);
    }
    void copy(void* to, const void* from, std::size_t bytes) override {
        if (bytes > 0)
            copy_on_device(to, from, bytes, stream_);
    }
    void clear(void* at, std::size_t bytes) override {
        if (bytes > 0)
            fill_device(at, 0, bytes, stream_);
    }

  private:
    Device device_;
    DeviceAllocator& allocator_;
    Transfer& transfer_;
    Stream& stream_;
};

} // namespace clip::cuda

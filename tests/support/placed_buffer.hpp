// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/dtype.hpp"
#include "tensor/memory.hpp"

namespace clip::test {

/// Elements in the memory of a backend, between two guards of 64 KiB. Guards are NaN in every
/// floating type: a write outside is seen in them, and a read outside in the result.
class PlacedBuffer {
  public:
    /// Filled with NaN: what an op forgets to write shows.
    PlacedBuffer(Memory& memory, std::size_t bytes);
    /// Filled with `values` in another type. Errors: dtype_mismatch.
    PlacedBuffer(Memory& memory, const std::vector<float>& values, DType dtype);
    ~PlacedBuffer();
    PlacedBuffer(const PlacedBuffer&) = delete;
    PlacedBuffer& operator=(const PlacedBuffer&) = delete;

    void* data() const { return static_cast<std::byte*>(base_) + kGuard; }
    void write(const void* from);
    /// What is there now, and whether the guards are as they were.
    struct Found {
        std::vector<std::byte> bytes;
        bool intact = false;
    };
    Found read() const;

  private:
    static constexpr std::size_t kGuard = 64 << 10; // also keeps the elements aligned
    static constexpr std::byte kPattern{0xff};

    Memory& memory_;
    std::size_t bytes_;
    void* base_;
};

} // namespace clip::test

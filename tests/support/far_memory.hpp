// SPDX-License-Identifier: MIT
// Memory that the host cannot reach by accident, as a device's: a pointer into it faults.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "tensor/memory.hpp"

namespace clip::test {

/// Gives addresses of a range that may neither be read nor written. What they stand for lies
/// somewhere else; near() says where.
class FarMemory final : public Memory {
  public:
    FarMemory();
    ~FarMemory() override;
    FarMemory(const FarMemory&) = delete;
    FarMemory& operator=(const FarMemory&) = delete;

    Device device() const override { return {Device::Kind::cuda, 0}; }
    void* allocate(std::size_t bytes) override;
    void release(void* at, std::size_t bytes) noexcept override;
    void upload(void* to, const void* host_from, std::size_t bytes) override;
    void download(void* host_to, const void* from, std::size_t bytes) override;
    void copy(void* to, const void* from, std::size_t bytes) override;
    void clear(void* at, std::size_t bytes) override;

    /// Where `bytes` from a far address on lie. Errors: internal (they are in no live allocation).
    std::byte* near(const void* far, std::size_t bytes);
    /// What is alive.
    std::size_t blocks() const { return blocks_.size(); }
    /// Allocations, copies and clears so far.
    std::uint64_t events() const { return events_; }
    std::uint64_t downloads() const { return downloads_; }

  private:
    std::byte* range_ = nullptr; ///< kRange bytes
    std::size_t next_ = 0;
    std::map<std::uintptr_t, std::vector<std::byte>> blocks_; ///< by their far address
    std::uint64_t events_ = 0, downloads_ = 0;
};

} // namespace clip::test

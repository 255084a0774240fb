// SPDX-License-Identifier: MIT
#include "tensor/memory.hpp"

#include <cstdlib>
#include <cstring>

#include <sys/mman.h>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip {

namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

class HostMemory final : public Memory {
  public:
    Device device() const override { return {}; }

    void* allocate(std::size_t bytes) override {
        const std::size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kAlignment;
        const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
        if (rounded < bytes)
            fail(ErrorCode::out_of_memory,
                 concat("allocate memory: ", bytes, " bytes is too much"));
        void* data = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
        if (data == nullptr)
            fail(ErrorCode::out_of_memory,
                 concat("allocate memory: no room for ", bytes, " bytes"));
#ifdef MADV_HUGEPAGE
        if (alignment == kHugePage)
            ::madvise(data, rounded, MADV_HUGEPAGE); // advice: a refusal costs only speed
#endif
        return data;
    }
    void release(void* at, std::size_t) noexcept override {
        std::free(at);
    }

    void upload(void* to, const void* host_from, std::size_t bytes) override {
        copy(to, host_from, bytes);
    }
    void download(void* host_to, const void* from, std::size_t bytes) override {
        copy(host_to, from, bytes);
    }
    void copy(void* to, const void* from, std::size_t bytes) override {
        if (bytes > 0)
            std::memcpy(to, from, bytes);
    }
    void clear(void* at, std::size_t bytes) override {
        if (bytes > 0)
            std::memset(at, 0, bytes);
    }
};

} // namespace

Memory& host_memory() {
    static HostMemory memory;
    return memory;
}

} // namespace clip

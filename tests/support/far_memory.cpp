// SPDX-License-Identifier: MIT
#include "support/far_memory.hpp"

#include <cstring>
#include <iterator>

#include <sys/mman.h>

#include "base/error.hpp"

namespace clip::test {

namespace {
// Addresses are never given twice, so that one that was given back is found.
constexpr std::size_t kRange = std::size_t{1} << 40;
constexpr std::size_t kAlignment = 256;
// Bytes that no operation has written look like this.
constexpr int kUnwritten = 0xff;
} // namespace

FarMemory::FarMemory() {
    void* const range =
        ::mmap(nullptr, kRange, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    expect(range != MAP_FAILED, "far memory has addresses");
    range_ = static_cast<std::byte*>(range);
}

FarMemory::~FarMemory() {
    ::munmap(range_, kRange);
}

void* FarMemory::allocate(std::size_t bytes) {
    ++events_;
    const std::size_t rounded = (bytes + kAlignment) / kAlignment * kAlignment + kAlignment;
    expect(rounded <= kRange - next_, "far memory has addresses left");
    std::byte* const at = range_ + next_;
    next_ += rounded;
    std::vector<std::byte> block(bytes);
    std::memset(block.data(), kUnwritten, bytes); // NaN as a number
    blocks_.emplace(reinterpret_cast<std::uintptr_t>(at), std::move(block));
    return at;
}

void FarMemory::release(void* at, std::size_t) noexcept {
    blocks_.erase(reinterpret_cast<std::uintptr_t>(at));
}

std::byte* FarMemory::near(const void* far, std::size_t bytes) {
    const auto address = reinterpret_cast<std::uintptr_t>(far);
    auto block = blocks_.upper_bound(address);
    expect(block != blocks_.begin(), "a far address is of an allocation");
    block = std::prev(block);
    const std::size_t offset = address - block->first;
    expect(offset + bytes <= block->second.size(), "a far address is of a live allocation");
    return block->second.data() + offset;
}

void FarMemory::upload(void* to, const void* host_from, std::size_t bytes) {
    ++events_;
    if (bytes > 0)
        std::memcpy(near(to, bytes), host_from, bytes);
}

void FarMemory::download(void* host_to, const void* from, std::size_t bytes) {
    ++events_;
    ++downloads_;
    if (bytes > 0)
        std::memcpy(host_to, near(from, bytes), bytes);
}

void FarMemory::copy(void* to, const void* from, std::size_t bytes) {
    ++events_;
    if (bytes > 0)
        std::memcpy(near(to, bytes), near(from, bytes), bytes);
}

void FarMemory::clear(void* at, std::size_t bytes) {
    ++events_;
    if (bytes > 0)
        std::memset(near(at, bytes), 0, bytes);
}

} // namespace clip::test

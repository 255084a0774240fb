// SPDX-License-Identifier: MIT
#include "support/placed_buffer.hpp"

#include <algorithm>

namespace clip::test {

PlacedBuffer::PlacedBuffer(Memory& memory, std::size_t bytes)
    : memory_(memory), bytes_(bytes), base_(memory.allocate(2 * kGuard + bytes)) {
    const std::vector<std::byte> all(2 * kGuard + bytes, kPattern);
    memory_.upload(base_, all.data(), all.size());
}

PlacedBuffer::PlacedBuffer(Memory& memory, const std::vector<float>& values, DType dtype)
    : PlacedBuffer(memory, values.size() * dtype_size(dtype)) {
    std::vector<std::byte> bytes(bytes_);
    convert_from_f32(bytes.data(), dtype, values.data(), values.size());
    write(bytes.data());
}

PlacedBuffer::~PlacedBuffer() {
    memory_.release(base_, 2 * kGuard + bytes_);
}

void PlacedBuffer::write(const void* from) {
    memory_.upload(data(), from, bytes_);
}

PlacedBuffer::Found PlacedBuffer::read() const {
    std::vector<std::byte> all(2 * kGuard + bytes_);
    memory_.download(all.data(), base_, all.size());
    const auto begin = all.begin() + kGuard, end = begin + static_cast<std::ptrdiff_t>(bytes_);
    const auto untouched = [](std::byte byte) { return byte == kPattern; };
    return {{begin, end},
            std::all_of(all.begin(), begin, untouched) && std::all_of(end, all.end(), untouched)};
}

} // namespace clip::test

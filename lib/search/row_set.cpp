// SPDX-License-Identifier: MIT
#include "search/row_set.hpp"

#include <algorithm>

namespace clip {

namespace {
// A block is read by one thread and stays in its second-level cache.
constexpr std::int64_t kBlockBytes = std::int64_t{512} << 10;

std::int64_t rows_of_block(std::int64_t row_bytes) {
    return std::max<std::int64_t>(1, kBlockBytes / row_bytes);
}
} // namespace

std::int64_t FileRows::block_rows() const {
    const auto row_bytes = width() * static_cast<std::int64_t>(dtype_size(store()));
    const std::int64_t chunk = file_.block_rows(), best = rows_of_block(row_bytes);
    // Chunks that have to be decoded are read whole; others in pieces of the cache's size.
    return file_.stores_plain_rows() ? best : std::max(chunk, best / chunk * chunk);
}

void FileRows::read(std::int64_t first, std::int64_t count, void* to) const {
    file_.read_rows_raw(first, count, to);
}

std::int64_t MemoryRows::block_rows() const {
    return rows_of_block(width_ * std::int64_t{sizeof(float)});
}

void MemoryRows::read(std::int64_t first, std::int64_t count, void* to) const {
    std::copy_n(values_.data() + first * width_, count * width_, static_cast<float*>(to));
}

} // namespace clip

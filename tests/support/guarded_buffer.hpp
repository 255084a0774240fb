// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

namespace clip::test {

/// Elements between two guards of 64 KiB that hold a pattern, so that a write outside is seen.
template <typename T>
class GuardedBuffer {
  public:
    /// Filled with NaN (or the largest value of an integer type): what an op forgets to write
    /// shows.
    explicit GuardedBuffer(std::size_t count)
        : count_(count), bytes_(2 * kGuard + count * sizeof(T), kPattern) {
        constexpr T fill = std::numeric_limits<T>::has_quiet_NaN
                               ? std::numeric_limits<T>::quiet_NaN()
                               : std::numeric_limits<T>::max();
        std::fill_n(data(), count, fill);
    }
    explicit GuardedBuffer(const std::vector<T>& values) : GuardedBuffer(values.size()) {
        std::copy(values.begin(), values.end(), data());
    }

    T* data() { return reinterpret_cast<T*>(bytes_.data() + kGuard); }
    const T* data() const { return reinterpret_cast<const T*>(bytes_.data() + kGuard); }
    std::size_t size() const { return count_; }
    std::vector<T> copy() const { return {data(), data() + count_}; }
    /// Whether nothing was written outside.
    bool intact() const {
        const auto untouched = [](std::uint8_t byte) { return byte == kPattern; };
        return std::all_of(bytes_.begin(), bytes_.begin() + kGuard, untouched) &&
               std::all_of(bytes_.end() - kGuard, bytes_.end(), untouched);
    }
    /// Whether the elements are those of `values`, bit for bit.
    bool holds(const std::vector<T>& values) const {
        return values.size() == count_ &&
               (count_ == 0 || std::memcmp(data(), values.data(), count_ * sizeof(T)) == 0);
    }

  private:
    static constexpr std::ptrdiff_t kGuard = 64 << 10; // also keeps the elements aligned
    static constexpr std::uint8_t kPattern = 0xa5;

    std::size_t count_;
    std::vector<std::uint8_t> bytes_;
};

} // namespace clip::test

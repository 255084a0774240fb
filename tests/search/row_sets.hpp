// SPDX-License-Identifier: MIT
// Rows for the tests of search.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "search/row_set.hpp"

namespace clip::test {

/// Values between -1 and 1; the same for the same seed everywhere.
inline std::vector<float> random_rows(std::int64_t count, std::int64_t width, std::uint64_t seed) {
    std::vector<float> out(static_cast<std::size_t>(count * width));
    std::uint64_t state = 2 * seed + 1;
    for (float& value : out) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        value = static_cast<float>(state >> 40) / 8388608.0F - 1.0F;
    }
    return out;
}

/// Rows in blocks of a size of its own, as float32 or float16; block `broken` cannot be read.
class TestRows : public RowSet {
  public:
    TestRows(std::vector<float> values, std::int64_t width, std::int64_t block = 16,
             DType store = DType::f32, std::int64_t broken = -1)
        : values_(std::move(values)), width_(width), block_(block), store_(store), broken_(broken) {
        if (store == DType::f16)
            for (float& value : values_) {
                halves_.emplace_back(value);
                value = static_cast<float>(halves_.back());
            }
    }
    std::int64_t rows() const override {
        return static_cast<std::int64_t>(values_.size()) / width_;
    }
    std::int64_t width() const override { return width_; }
    DType store() const override { return store_; }
    std::int64_t block_rows() const override { return block_; }
    void read(std::int64_t first, std::int64_t count, void* to) const override {
        if (broken_ >= 0 && first <= broken_ && broken_ < first + count)
            fail(ErrorCode::io_failure, "a bad sector");
        const auto from = static_cast<std::size_t>(first * width_);
        const auto size = static_cast<std::size_t>(count * width_);
        if (store_ == DType::f16)
            std::memcpy(to, halves_.data() + from, size * sizeof(Half));
        else
            std::memcpy(to, values_.data() + from, size * sizeof(float));
    }
    /// What is stored, as float32.
    const std::vector<float>& values() const { return values_; }

  private:
    std::vector<float> values_;
    std::vector<Half> halves_;
    std::int64_t width_, block_;
    DType store_;
    std::int64_t broken_;
};

/// The cosine in another order of summation and another type.
inline double plain_cosine(const float* a, const float* b, std::int64_t width) {
    long double dot = 0, aa = 0, bb = 0;
    for (std::int64_t i = 0; i < width; ++i) {
        dot += static_cast<long double>(a[i]) * b[i];
        aa += static_cast<long double>(a[i]) * a[i];
        bb += static_cast<long double>(b[i]) * b[i];
    }
    return static_cast<double>(dot / (std::sqrt(aa) * std::sqrt(bb)));
}

} // namespace clip::test

// SPDX-License-Identifier: MIT
#include "backend/ref/storage.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/concat.hpp"

namespace clip::ref {

namespace {

void round_to_i8(float* row, std::int64_t cols) {
    float largest = 0;
    for (std::int64_t i = 0; i < cols; ++i)
        largest = std::max(largest, std::abs(row[i]));
    const float scale = largest / 127.0f;
    if (scale == 0)
        return;
    for (std::int64_t i = 0; i < cols; ++i)
        row[i] = std::clamp(std::nearbyint(row[i] / scale), -127.0f, 127.0f) * scale;
}

} // namespace

void round_to_storage(float* weight, std::int64_t rows, std::int64_t cols, DType storage) {
    if (storage == DType::f32)
        return;
    if (storage == DType::i8) {
        for (std::int64_t r = 0; r < rows; ++r)
            round_to_i8(weight + r * cols, cols);
        return;
    }
    if (storage != DType::f16 && storage != DType::bf16)
        fail(ErrorCode::unsupported, concat("store weights: not a storage type (got ",
                                            dtype_name(storage), ", want f32, bf16, f16 or i8)"));
    const auto count = static_cast<std::size_t>(cols);
    std::vector<std::uint16_t> stored(count);
    for (std::int64_t r = 0; r < rows; ++r) {
        convert_from_f32(stored.data(), storage, weight + r * cols, count);
        convert_to_f32(weight + r * cols, stored.data(), storage, count);
    }
}

} // namespace clip::ref

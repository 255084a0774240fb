// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace clip::ref {

/// y = scale * a b^T: a (rows, width), b (candidates, width), y (rows, candidates).
template <typename T>
void similarity(T* y, const T* a, const T* b, T scale, std::int64_t rows, std::int64_t candidates,
                std::int64_t width) {
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < candidates; ++c) {
            T sum = 0;
            for (std::int64_t i = 0; i < width; ++i)
                sum += a[r * width + i] * b[c * width + i];
            y[r * candidates + c] = scale * sum;
        }
}

} // namespace clip::ref

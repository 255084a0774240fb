// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

namespace clip::ref {

/// y[i] = x[rows[i]]: x (R, width), rows (count), y (count, width).
template <typename T>
void gather_rows(T* y, const T* x, const std::int64_t* rows, std::int64_t count,
                 std::int64_t width) {
    for (std::int64_t i = 0; i < count; ++i)
        std::copy_n(x + rows[i] * width, width, y + i * width);
}

} // namespace clip::ref

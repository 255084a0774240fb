// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace clip::ref {

/// y = [mean over places of x; x] + positions, for one picture.
///
/// Shapes:  x (places, width); positions, y (places + 1, width).
template <typename T>
void mean_token(T* y, const T* x, const T* positions, std::int64_t places, std::int64_t width) {
    for (std::int64_t d = 0; d < width; ++d) {
        T sum = 0;
        for (std::int64_t l = 0; l < places; ++l)
            sum += x[l * width + d];
        y[d] = sum / static_cast<T>(places) + positions[d];
    }
    for (std::int64_t i = 0; i < places * width; ++i)
        y[width + i] = x[i] + positions[width + i];
}

} // namespace clip::ref

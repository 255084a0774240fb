// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace clip::ref {

/// Mean over non-overlapping windows of one picture; what does not fill a window is left out.
///
/// Shapes:  x (height, width, channels); y (height / window, width / window, channels).
template <typename T>
void avg_pool(T* y, const T* x, std::int64_t height, std::int64_t width, std::int64_t channels,
              std::int64_t window) {
    const T count = static_cast<T>(window * window);
    for (std::int64_t line = 0; line < height / window; ++line)
        for (std::int64_t column = 0; column < width / window; ++column)
            for (std::int64_t c = 0; c < channels; ++c) {
                T sum = 0;
                for (std::int64_t i = 0; i < window; ++i)
                    for (std::int64_t j = 0; j < window; ++j)
                        sum +=
                            x[((line * window + i) * width + column * window + j) * channels + c];
                *y++ = sum / count;
            }
}

} // namespace clip::ref

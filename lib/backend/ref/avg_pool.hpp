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

/// Gradient of avg_pool for one picture; what fills no window gets 0. Shapes as there.
template <typename T>
void avg_pool_backward(T* grad_x, const T* grad_y, std::int64_t height, std::int64_t width,
                       std::int64_t channels, std::int64_t window) {
    const T count = static_cast<T>(window * window);
    for (std::int64_t line = 0; line < height; ++line)
        for (std::int64_t column = 0; column < width; ++column) {
            const bool pooled = line / window < height / window && column / window < width / window;
            const T* from =
                grad_y + (line / window * (width / window) + column / window) * channels;
            for (std::int64_t c = 0; c < channels; ++c)
                *grad_x++ = pooled ? from[c] / count : T(0);
        }
}

} // namespace clip::ref

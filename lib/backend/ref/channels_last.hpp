// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace clip::ref {

/// One picture: x (channels, places) -> y (places, channels).
template <typename T>
void channels_last(T* y, const T* x, std::int64_t channels, std::int64_t places) {
    for (std::int64_t c = 0; c < channels; ++c)
        for (std::int64_t p = 0; p < places; ++p)
            y[p * channels + c] = x[c * places + p];
}

} // namespace clip::ref

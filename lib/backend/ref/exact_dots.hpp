// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>

namespace clip::ref {

/// The dot product of two rows in float64, as ExactDotsArgs defines it: element i goes to partial
/// sum i % 16, and partial sums are added in a tree.
template <typename A, typename B>
double exact_dot(const A* a, const B* b, std::int64_t width) {
    std::array<double, 16> sums{};
    for (std::int64_t i = 0; i < width; ++i)
        sums[static_cast<std::size_t>(i % 16)] += static_cast<double>(static_cast<float>(a[i])) *
                                                  static_cast<double>(static_cast<float>(b[i]));
    for (std::size_t half = 8; half > 0; half /= 2)
        for (std::size_t i = 0; i < half; ++i)
            sums[i] += sums[i + half];
    return sums[0];
}

} // namespace clip::ref

// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace clip::ref {

/// The sum of the squares of `count` elements in float64.
inline double sum_of_squares(const float* x, std::int64_t count) {
    double lanes[8] = {}; // several chains, which the compiler may put into registers
    std::int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (std::int64_t lane = 0; lane < 8; ++lane) {
            const double value = x[i + lane];
            lanes[lane] += value * value;
        }
    for (; i < count; ++i)
        lanes[0] += static_cast<double>(x[i]) * x[i];
    double sum = 0;
    for (const double lane : lanes)
        sum += lane;
    return sum;
}

} // namespace clip::ref

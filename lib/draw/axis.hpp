// SPDX-License-Identifier: MIT
// Where the ticks of an axis go.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace clip {

struct Axis {
    double low = 0.0, high = 1.0; ///< the ends, low < high; logarithms of 2 where `log2`
    bool log2 = false;
    std::vector<double> ticks; ///< values inside the ends, rising
    std::vector<std::string> labels;

    /// Where a value lies between the ends: 0 at `low`, 1 at `high`.
    double share(double value) const;
};

/// Ticks at 1, 2 or 5 times a power of ten, about `wanted` of them, with a little room at both
/// ends of [low, high]. Both are finite, low <= high.
Axis linear_axis(double low, double high, int wanted);

/// Ticks at powers of two, at most `most` of them. 0 < low <= high.
Axis log2_axis(double low, double high, int most);

/// A count with a comma between groups of three digits.
std::string format_count(std::uint64_t count);

/// A count in at most four characters: 9999, 12k, 3.4M, 56G.
std::string format_short_count(std::uint64_t count);

/// `decimals` digits after the point, whatever the locale.
std::string format_fixed(double value, int decimals);

} // namespace clip

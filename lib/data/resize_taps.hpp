// SPDX-License-Identifier: MIT
// The weights of Pillow's bicubic resize along one axis.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace clip {

/// Fraction bits of an 8-bit weight: what Pillow uses, so that 255 times a sum of weights fits 32.
inline constexpr int kWeightBits = 32 - 8 - 2;

/// Outputs [begin, begin + count) of an axis that goes from `in` to `out` samples.
struct AxisWindow {
    std::int64_t in = 0;
    std::int64_t out = 0;
    std::int64_t begin = 0;
    int count = 0;
};

/// For output i the inputs [first[i], first[i] + count[i]) with weights
/// weight[i * stride ...]; unused weights of a row are zero.
template <typename Weight>
struct Taps {
    std::vector<int> first;
    std::vector<int> count;
    std::vector<Weight> weight;
    std::size_t stride = 0;

    int outputs() const { return static_cast<int>(first.size()); }
    int begin_input() const { return first.front(); }
    int end_input() const { return first.back() + count.back(); }
    const Weight* weights(int output) const {
        return weight.data() + static_cast<std::size_t>(output) * stride;
    }
};

/// Weights in double, each row summing to 1: Pillow's for 32-bit samples.
Taps<double> bicubic_taps(const AxisWindow& window);

/// The same rounded to kWeightBits fraction bits: Pillow's for 8-bit samples.
Taps<std::int32_t> bicubic_taps_fixed(const AxisWindow& window);

/// How many outputs of `window` may be prepared at once so that their weights stay small: all of
/// them but where a side is absurdly long.
int taps_block(const AxisWindow& window);

} // namespace clip

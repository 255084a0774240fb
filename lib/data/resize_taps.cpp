// SPDX-License-Identifier: MIT
#include "data/resize_taps.hpp"

#include <algorithm>
#include <cmath>

namespace clip {

namespace {

constexpr double kSupport = 2.0; // of the bicubic filter, in output samples
constexpr double kA = -0.5;

double bicubic(double x) {
    x = std::fabs(x);
    if (x < 1.0)
        return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * kA;
    return 0.0;
}

double filter_scale(const AxisWindow& window) {
    const double scale = static_cast<double>(window.in) / static_cast<double>(window.out);
    return std::max(scale, 1.0);
}

std::size_t taps_stride(const AxisWindow& window) {
    return static_cast<std::size_t>(std::ceil(kSupport * filter_scale(window))) * 2 + 1;
}

} // namespace

Taps<double> bicubic_taps(const AxisWindow& window) {
    const double scale = static_cast<double>(window.in) / static_cast<double>(window.out);
    const double wide = filter_scale(window);
    const double support = kSupport * wide;
    const double narrow = 1.0 / wide;
    Taps<double> taps;
    const auto outputs = static_cast<std::size_t>(window.count);
    taps.stride = taps_stride(window);
    taps.first.resize(outputs);
    taps.count.resize(outputs);
    taps.weight.assign(outputs * taps.stride, 0.0);
    for (std::size_t i = 0; i < outputs; ++i) {
        const double center =
            (static_cast<double>(window.begin + static_cast<int>(i)) + 0.5) * scale;
        const auto first = static_cast<int>(std::max(center - support + 0.5, 0.0));
        const auto end = static_cast<int>(
            std::min(static_cast<double>(window.in), std::trunc(center + support + 0.5)));
        taps.first[i] = first;
        taps.count[i] = end - first;
        double* weight = taps.weight.data() + i * taps.stride;
        double sum = 0.0;
        for (int x = 0; x < end - first; ++x) {
            weight[x] = bicubic((x + first - center + 0.5) * narrow);
            sum += weight[x];
        }
        if (sum != 0.0)
            for (int x = 0; x < end - first; ++x)
                weight[x] /= sum;
    }
    return taps;
}

Taps<std::int32_t> bicubic_taps_fixed(const AxisWindow& window) {
    const Taps<double> exact = bicubic_taps(window);
    Taps<std::int32_t> taps;
    taps.first = exact.first;
    taps.count = exact.count;
    taps.stride = exact.stride;
    taps.weight.reserve(exact.weight.size());
    for (const double weight : exact.weight) {
        const double scaled = weight * (1 << kWeightBits);
        taps.weight.push_back(static_cast<std::int32_t>(weight < 0 ? scaled - 0.5 : scaled + 0.5));
    }
    return taps;
}

int taps_block(const AxisWindow& window) {
    constexpr std::size_t kMaxWeights = std::size_t{1} << 22;
    const std::size_t block = std::max<std::size_t>(kMaxWeights / taps_stride(window), 1);
    return static_cast<int>(std::min(block, static_cast<std::size_t>(window.count)));
}

} // namespace clip

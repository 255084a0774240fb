// SPDX-License-Identifier: MIT
#include "trainer/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace clip::trainer {

double learning_rate_at(double peak, std::uint64_t step, std::uint64_t warmup,
                        std::uint64_t total) {
    if (step <= warmup)
        return peak * static_cast<double>(step) / static_cast<double>(warmup);
    const double done = static_cast<double>(step - 1 - warmup) /
                        static_cast<double>(std::max<std::uint64_t>(1, total - warmup));
    return peak * 0.5 * (1.0 + std::cos(std::numbers::pi * std::min(done, 1.0)));
}

std::uint64_t warmup_of(std::uint64_t wanted, std::uint64_t total) {
    return std::min(wanted, total / 5);
}

} // namespace clip::trainer

// SPDX-License-Identifier: MIT
// Gradients against central differences, in double.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/concat.hpp"

namespace clip::test {

/// Checks that `gradient` is the gradient of `f` by `x`: f(x + h) - f(x - h) over 2 h for every
/// element, within 1e-7 of the largest (h = 1e-5, so the differences are off by about 1e-10).
inline void check_gradient(const std::string& what, std::vector<double> x,
                           const std::function<double(const std::vector<double>&)>& f,
                           const std::vector<double>& gradient) {
    constexpr double kStep = 1e-5, kTolerance = 1e-7;
    REQUIRE(gradient.size() == x.size());
    double largest = 1;
    for (const double g : gradient)
        largest = std::max(largest, std::fabs(g));
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double at = x[i];
        x[i] = at + kStep;
        const double above = f(x);
        x[i] = at - kStep;
        const double below = f(x);
        x[i] = at;
        const double slope = (above - below) / (2 * kStep);
        if (!(std::fabs(slope - gradient[i]) <= kTolerance * largest))
            FAIL_CHECK(concat(what, ": element ", i, " (got ", gradient[i], ", want ", slope, ")"));
    }
}

/// The sum of a * b: a loss whose gradient by a is b.
inline double weighted_sum(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        sum += a[i] * b[i];
    return sum;
}

} // namespace clip::test

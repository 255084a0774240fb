// SPDX-License-Identifier: MIT
#include "search/exact_math.hpp"

#include <cmath>

#include <doctest/doctest.h>

using namespace clip;

TEST_CASE("exact_math: exp and log as the C library has them, but for the last digit") {
    double worst_exp = 0, worst_log = 0;
    for (int i = -70000; i <= 70000; ++i) {
        const double x = i * 0.00999173;
        worst_exp = std::max(worst_exp, std::abs(exact_exp(x) / std::exp(x) - 1));
    }
    for (int i = 1; i <= 200000; ++i) {
        const double x = std::pow(1.001, i % 20000 - 8000) * (1 + i * 1e-9);
        worst_log =
            std::max(worst_log, std::abs(exact_log(x) - std::log(x)) / (1 + std::abs(std::log(x))));
    }
    CHECK(worst_exp < 1e-15);
    CHECK(worst_log < 1e-15);
    CHECK(exact_exp(0) == 1);
    CHECK(exact_log(1) == 0);
    CHECK(exact_exp(-1e30) < 1e-300);
    CHECK(exact_exp(1e30) > 1e300);
}

// SPDX-License-Identifier: MIT
#include "trainer/validation.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <vector>

using namespace clip;

TEST_CASE("validation: what is common everywhere is no answer") {
    // Two pictures, three captions; the first is common, and tells nothing.
    const std::vector<double> p{0.6, 0.3, 0.1, 0.6, 0.1, 0.3};
    std::vector<float> scores;
    for (const double x : p)
        scores.push_back(static_cast<float>(std::log(x)));
    trainer::subtract_priors(scores, 3);
    const std::vector<double> want{1, 1.5, 0.5, 1, 0.5, 1.5};
    for (std::size_t i = 0; i < want.size(); ++i)
        CHECK(std::exp(scores[i]) == doctest::Approx(want[i]).epsilon(1e-6));
}

TEST_CASE("validation: priors of captions whose likelihood no float holds") {
    std::vector<float> scores{-1000, -3, -1001, -3};
    trainer::subtract_priors(scores, 2);
    CHECK(scores[0] - scores[2] == doctest::Approx(1));
    CHECK(scores[0] == doctest::Approx(std::log(2 / (1 + std::exp(-1.0)))).epsilon(1e-4));
    CHECK(scores[1] == doctest::Approx(0));
}

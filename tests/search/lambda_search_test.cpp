// SPDX-License-Identifier: MIT
#include "search/lambda_search.hpp"

#include <cmath>
#include <cstdlib>

#include <doctest/doctest.h>

using namespace clip;

TEST_CASE("lambda search: 96 even steps from 1e-6 to 1e6") {
    CHECK(lambda_at(0) == 1e-6);
    CHECK(lambda_at(48) == 1);
    CHECK(lambda_at(96) == 1e6);
    for (int step = 0; step <= kLambdaSteps; ++step)
        CHECK(lambda_at(step) == doctest::Approx(std::pow(10, -6 + step / 8.0)).epsilon(1e-15));
}

TEST_CASE("lambda search: it finds the peak of one hill, wherever that is") {
    for (int peak = 0; peak <= kLambdaSteps; ++peak) {
        int calls = 0;
        const LambdaSearch search = search_lambda([&](int step) {
            ++calls;
            return -std::abs(step - peak);
        });
        CHECK(search.best == peak);
        CHECK(calls <= 15);
        CHECK(calls == static_cast<int>(search.points.size()));
        for (std::size_t i = 1; i < search.points.size(); ++i)
            CHECK(search.points[i - 1].step < search.points[i].step);
    }
}

TEST_CASE("lambda search: it begins as the paper says, and prefers the stronger penalty") {
    std::vector<int> order;
    const LambdaSearch search = search_lambda([&](int step) {
        order.push_back(step);
        return step >= 20 && step <= 60 ? 1.0 : 0.0; // a plateau
    });
    CHECK(std::vector<int>(order.begin(), order.begin() + 7) ==
          std::vector<int>{96, 80, 64, 48, 32, 16, 0});
    CHECK(search.best == 60);
}

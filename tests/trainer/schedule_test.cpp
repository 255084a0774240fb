// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "trainer/schedule.hpp"

using namespace clip::trainer;

TEST_CASE("schedule: linear to the peak, then half a cosine") {
    for (std::uint64_t step = 1; step <= 10; ++step)
        CHECK(learning_rate_at(2e-3, step, 10, 110) ==
              doctest::Approx(2e-4 * static_cast<double>(step)).epsilon(1e-12));
    // The step behind the warm-up is at the peak, too; half way down it is half of that.
    CHECK(learning_rate_at(2e-3, 11, 10, 110) == 2e-3);
    CHECK(learning_rate_at(2e-3, 61, 10, 110) == doctest::Approx(1e-3).epsilon(1e-12));
    CHECK(learning_rate_at(2e-3, 36, 10, 110) ==
          doctest::Approx(1e-3 * (1 + std::sqrt(0.5))).epsilon(1e-12));
    // The last step still changes something; behind it there is nothing left.
    CHECK(learning_rate_at(2e-3, 110, 10, 110) ==
          doctest::Approx(1e-3 * (1 - std::cos(std::numbers::pi / 100))).epsilon(1e-9));
    CHECK(learning_rate_at(2e-3, 110, 10, 110) > 0);
    CHECK(learning_rate_at(2e-3, 111, 10, 110) == 0);
    CHECK(learning_rate_at(2e-3, 500, 10, 110) == 0);
    for (std::uint64_t step = 11; step < 110; ++step)
        REQUIRE(learning_rate_at(1, step + 1, 10, 110) < learning_rate_at(1, step, 10, 110));
}

TEST_CASE("schedule: runs of few steps") {
    CHECK(learning_rate_at(3, 1, 0, 1) == 3);
    CHECK(learning_rate_at(3, 1, 0, 2) == 3);
    CHECK(learning_rate_at(3, 2, 0, 2) == doctest::Approx(1.5).epsilon(1e-12));
    CHECK(learning_rate_at(3, 5, 5, 5) == 3);
    CHECK(learning_rate_at(3, 6, 5, 5) == 3); // nothing is left of the cosine
    CHECK(warmup_of(2000, 100) == 20);
    CHECK(warmup_of(2000, 10000) == 2000);
    CHECK(warmup_of(0, 10000) == 0);
    CHECK(warmup_of(2000, 4) == 0);
}

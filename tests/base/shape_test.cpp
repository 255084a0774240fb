// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "base/shape.hpp"

using namespace clip;

TEST_CASE("shape: counts elements and prints itself") {
    CHECK(Shape{2, 3, 4}.numel() == 24);
    CHECK(Shape{}.numel() == 1);
    CHECK(Shape{5, 0}.numel() == 0);
    CHECK(Shape{2, 3}.to_string() == "(2, 3)");
}

TEST_CASE("shape: refuses what could overflow") {
    const std::int64_t big = std::int64_t{1} << 40;
    CHECK_THROWS_AS((Shape{big, big}), Error);
    CHECK_THROWS_AS((Shape{-1}), Error);
    CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1}), Error);
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstdint>

#include "backend/cuda/fast_divisor.hpp"

using namespace clip;

TEST_CASE("cuda: the fast divisor divides") {
    for (const std::int64_t divisor :
         {1L, 2L, 3L, 7L, 49L, 64L, 112L, 3136L, 12544L, 65535L, (1L << 30) + 1, (1L << 31) - 1}) {
        const cuda::FastDivisor by(divisor);
        for (std::int64_t base :
             {std::int64_t{0}, divisor, 2 * divisor, 1000 * divisor, (std::int64_t{1} << 31) - 2,
              ((std::int64_t{1} << 31) - 1) / divisor * divisor})
            for (std::int64_t n = base - 1; n <= base + 1; ++n)
                if (n >= 0 && n < std::int64_t{1} << 31) {
                    const int quotient = by.quotient(static_cast<int>(n));
                    REQUIRE(quotient == n / divisor);
                    REQUIRE(by.remainder(static_cast<int>(n), quotient) == n % divisor);
                }
    }
}

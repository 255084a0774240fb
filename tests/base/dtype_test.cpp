// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>

#include "base/dtype.hpp"

using namespace clip;

TEST_CASE("half: every finite value survives the way to float32 and back") {
    for (std::uint32_t bits = 0; bits < 65536; ++bits) {
        Half half;
        half.bits = static_cast<std::uint16_t>(bits);
        const float value = static_cast<float>(half);
        if (std::isnan(value))
            CHECK(std::isnan(static_cast<float>(Half(value))));
        else
            REQUIRE(Half(value).bits == bits);
    }
}

TEST_CASE("half: rounds to nearest, ties to even") {
    CHECK(Half(1.0f + 0x1p-11f).bits == Half(1.0f).bits);
    CHECK(Half(1.0f + 0x1.8p-10f).bits == Half(1.0f + 0x1p-9f).bits);
    CHECK(Half(65519.0f).bits == 0x7bff);
    CHECK(Half(65520.0f).bits == 0x7c00);
    CHECK(Half(0x1p-25f).bits == 0);
    CHECK(Half(0x1.8p-25f).bits == 1);
    CHECK(Half(-0.0f).bits == 0x8000);
}

TEST_CASE("bfloat16: rounds to nearest, ties to even, and keeps NaN") {
    CHECK(BFloat16(1.0f).bits == 0x3f80);
    CHECK(BFloat16(1.0f + 0x1p-8f).bits == 0x3f80);
    CHECK(BFloat16(1.0f + 0x1.8p-7f).bits == 0x3f82);
    CHECK(std::isnan(static_cast<float>(BFloat16(std::nanf("")))));
}

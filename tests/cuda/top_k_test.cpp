// SPDX-License-Identifier: MIT
// What the case table of tests/ops/top_k_test.cpp is too small for: lists that are cut, several
// passes, rows that come in the worst order.
#include "ops/top_k.hpp"

#include <algorithm>
#include <limits>

#include "backend/ref/top_k.hpp"
#include "cuda/device_call.hpp"

using namespace clip;
using namespace clip::test;

namespace {

/// Compares bits: which NaN, and which 0, is said by the place.
void check_rows(EmulatedDevice& device, const std::string& name, const std::vector<float>& x,
                std::int64_t rows, std::int64_t k, std::int64_t offset = 0) {
    const std::int64_t count = static_cast<std::int64_t>(x.size()) / rows;
    std::vector<float> want(static_cast<std::size_t>(rows * k));
    std::vector<std::int64_t> want_at(want.size()), at(want.size(), -1);
    ref::top_k(want.data(), want_at.data(), x.data(), rows, count, k);
    DeviceCall call(device);
    TopKArgs args;
    args.x = call.in(x, {rows, count}, DType::f32, offset);
    args.k = k;
    args.values = call.out({rows, k}, DType::f32, offset);
    args.indices = at;
    ops::top_k(device.backend(), args);
    INFO(name);
    CHECK(at == want_at);
    check_same_bits(name, call.results()[0], want);
}

} // namespace

TEST_CASE("cuda top k: lists are cut, and what k does not hold in one pass comes in the next") {
    EmulatedDevice device;
    for (const std::int64_t k : {1, 7, 1023, 1024, 1025, 3000}) {
        const auto x = values(2 * 3000, 1);
        check_rows(device, concat("k ", k, " of 3000"), x, 2, k, k % 2);
    }
    check_rows(device, "one", {3}, 1, 1);
}

TEST_CASE("cuda top k: rows that rise, that fall, and of few different values") {
    EmulatedDevice device;
    std::vector<float> rising(5000), few(5000), same(5000, 1.5F);
    for (std::size_t i = 0; i < rising.size(); ++i) {
        rising[i] = static_cast<float>(i) - 2000;
        few[i] = static_cast<float>(i * 7919 % 5) - 2;
    }
    std::vector<float> falling(rising.rbegin(), rising.rend());
    for (const std::int64_t k : {1, 10, 1500}) {
        check_rows(device, concat("rising, k ", k), rising, 1, k);
        check_rows(device, concat("falling, k ", k), falling, 1, k);
        check_rows(device, concat("few, k ", k), few, 1, k);
        check_rows(device, concat("same, k ", k), same, 1, k);
    }
}

TEST_CASE("cuda top k: NaN behind -infinity, -0 beside 0, and all of them more often than k") {
    EmulatedDevice device;
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    const float odd[] = {kNan, -kInfinity, 0.0F, -0.0F, kInfinity, -kNan, 1e-45F, -1e-45F};
    std::vector<float> x(2000);
    for (std::size_t i = 0; i < x.size(); ++i)
        x[i] = odd[i * i % 8 + i % 3 % 2];
    for (const std::int64_t k : {3, 600, 2000})
        check_rows(device, concat("odd, k ", k), x, 1, k);
    check_rows(device, "nothing but NaN", std::vector<float>(1100, kNan), 1, 1100);
}

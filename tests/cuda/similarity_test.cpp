// SPDX-License-Identifier: MIT
// Widths, tails and alignments of similarity's tiles, and what splitting must not lose: infinities,
// NaN and numbers that TF32 rounds out of float32.
#include "ops/similarity.hpp"

#include <cfloat>
#include <cmath>
#include <limits>

#include "backend/ref/similarity.hpp"
#include "cuda/device_call.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Row {
    std::int64_t rows, candidates, width;
};

constexpr Row kRows[] = {{1, 1, 1},      {33, 1, 31},    {1, 300, 64},  {128, 33, 512},
                         {33, 128, 768}, {65, 64, 1000}, {300, 33, 33}, {64, 66, 1}};

std::vector<float> solve(EmulatedDevice& device, const Row& row, const std::vector<float>& a,
                         const std::vector<float>& b, float scale, std::int64_t offset) {
    DeviceCall call(device);
    SimilarityArgs args;
    args.a = call.in(a, {row.rows, row.width}, DType::f32, offset);
    args.b = call.in(b, {row.candidates, row.width}, DType::f32, offset);
    args.scale = scale;
    args.y = call.out({row.rows, row.candidates}, DType::f32, offset);
    ops::similarity(device.backend(), args);
    return call.results()[0];
}

template <typename T>
std::vector<T> reference(const Row& row, const std::vector<float>& a, const std::vector<float>& b,
                         float scale) {
    std::vector<T> y(static_cast<std::size_t>(row.rows * row.candidates));
    ref::similarity(y.data(), as<T>(a).data(), as<T>(b).data(), T(scale), row.rows, row.candidates,
                    row.width);
    return y;
}

} // namespace

TEST_CASE("cuda similarity: every width and tail, the same bits at every alignment") {
    EmulatedDevice device;
    for (const Row& row : kRows) {
        const std::string name = concat("(", row.rows, ", ", row.candidates, ", ", row.width, ")");
        const auto a = values(row.rows * row.width, 1), b = values(row.candidates * row.width, 2);
        const auto y = solve(device, row, a, b, 100, 0);
        check_close(name, y, reference<double>(row, a, b, 100), reference<float>(row, a, b, 100));
        for (const std::int64_t offset : {1, 2})
            check_same_bits(concat(name, ", offset ", offset),
                            solve(device, row, a, b, 100, offset), y);
    }
}

TEST_CASE("cuda similarity: sums of one sign do not drift, though tensor cores cut off") {
    EmulatedDevice device;
    const Row row{2, 3, 4096};
    auto a = values(row.rows * row.width, 1), b = values(row.candidates * row.width, 2);
    for (auto* side : {&a, &b})
        for (float& value : *side)
            value = std::abs(value) + 0.1F;
    check_close("one sign", solve(device, row, a, b, 1, 0), reference<double>(row, a, b, 1),
                reference<float>(row, a, b, 1));
}

TEST_CASE("cuda similarity: infinities, NaN and the largest numbers come out as by plain sums") {
    EmulatedDevice device;
    const Row row{5, 4, 40};
    auto a = values(row.rows * row.width, 1), b = values(row.candidates * row.width, 2);
    a[3] = std::numeric_limits<float>::infinity();        // row 0: infinite or NaN
    a[40 + 35] = std::numeric_limits<float>::quiet_NaN(); // row 1: NaN
    a[80] = FLT_MAX;                                      // row 2: TF32 would round it to infinity
    b[40 + 3] = -std::numeric_limits<float>::infinity();  // column 1: infinite of some sign
    b[80 + 3] = 0;                                        // column 2: 0 times infinity
    for (std::int64_t i = 0; i < row.candidates; ++i)
        b[static_cast<std::size_t>(i * row.width)] = 0.5F;
    const auto y = solve(device, row, a, b, 1, 0);
    const auto want = reference<double>(row, a, b, 1);
    for (std::size_t i = 0; i < y.size(); ++i) {
        INFO(i);
        if (std::isfinite(want[i]))
            CHECK(y[i] == doctest::Approx(want[i]).epsilon(1e-5));
        else if (std::isnan(want[i]))
            CHECK(std::isnan(y[i]));
        else
            CHECK(y[i] == static_cast<float>(want[i]));
    }
    CHECK(std::isnan(y[2]));
    CHECK(std::isnan(y[4]));
    CHECK(y[8] > 1e38F);
    CHECK(std::isinf(y[13]));
}

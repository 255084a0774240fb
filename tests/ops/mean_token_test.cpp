// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "backend/ref/mean_token.hpp"
#include "base/concat.hpp"
#include "ops/mean_token.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

void check_case(std::int64_t pictures, std::int64_t places, std::int64_t width, Regime regime) {
    const auto x = values(pictures * places * width, 1, regime);
    const auto positions = values((places + 1) * width, 2);
    const auto solve = [&]<typename T>(T) {
        const auto from = as<T>(x), s = as<T>(positions);
        std::vector<T> y(static_cast<std::size_t>(pictures * (places + 1) * width));
        for (std::int64_t n = 0; n < pictures; ++n)
            ref::mean_token(y.data() + n * (places + 1) * width, from.data() + n * places * width,
                            s.data(), places, width);
        return std::vector<std::vector<T>>{y};
    };
    OpCase test;
    test.name =
        concat("mean token, (", pictures, ", ", places, ", ", width, "), ", regime_name(regime));
    test.oracle = solve(double{});
    test.naive = solve(float{});
    test.items = pictures;
    test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
        CallMemory memory;
        MeanTokenArgs args;
        args.x = memory.in(
            {x.begin() + first * places * width, x.begin() + (first + count) * places * width},
            {count, places, width});
        args.positions = memory.in(positions, {places + 1, width});
        args.y = memory.out({count, places + 1, width});
        ops::mean_token(used, args);
        return memory.results();
    };
    check_op(test);
}

} // namespace

TEST_CASE("mean token: every backend matches double arithmetic on every shape and regime") {
    for (Regime regime : kRegimes) {
        check_case(1, 1, 1, regime);
        check_case(3, 7, 33, regime);
        check_case(2, 49, 256, regime);
    }
}

TEST_CASE("mean token: rejects every wrong argument") {
    Backend& used = backend("automatic", 1);
    auto x = values(12, 1), positions = values(16, 2);
    std::vector<float> y(16);
    MeanTokenArgs good;
    good.x = {x.data(), {1, 3, 4}, DType::f32, {}};
    good.positions = {positions.data(), {4, 4}, DType::f32, {}};
    good.y = {y.data(), {1, 4, 4}, DType::f32, {}};
    CHECK_NOTHROW(ops::mean_token(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        MeanTokenArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::mean_token(used, changed); }, what);
    };
    bad(ErrorCode::shape_mismatch, "rank", [](auto& a) { a.x.shape = {3, 4}; });
    bad(ErrorCode::shape_mismatch, "no places", [](auto& a) { a.x.shape = {1, 0, 4}; });
    bad(ErrorCode::shape_mismatch, "positions", [](auto& a) { a.positions.shape = {3, 4}; });
    bad(ErrorCode::shape_mismatch, "y", [](auto& a) { a.y.shape = {1, 3, 4}; });
    bad(ErrorCode::invalid_argument, "null", [](auto& a) { a.positions.data = nullptr; });
    bad(ErrorCode::dtype_mismatch, "dtype", [](auto& a) { a.y.dtype = DType::f16; });
    bad(ErrorCode::device_mismatch, "device",
        [](auto& a) { a.x.device.kind = Device::Kind::cuda; });
    bad(ErrorCode::invalid_argument, "overlap", [&](auto& a) { a.y.data = positions.data(); });
}

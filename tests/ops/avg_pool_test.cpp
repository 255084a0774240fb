// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "backend/ref/avg_pool.hpp"
#include "base/concat.hpp"
#include "ops/avg_pool.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Row {
    const char* name;
    std::int64_t pictures, height, width, channels;
    int window;
};

constexpr Row kRows[] = {
    {"window 1", 2, 3, 4, 5, 1},          {"stem", 2, 16, 16, 64, 2},
    {"odd sides", 3, 7, 9, 33, 2},        {"window 3", 2, 10, 8, 16, 3},
    {"the whole picture", 2, 5, 5, 1, 5},
};

void check_case(const Row& row, Regime regime) {
    const std::int64_t each = row.height * row.width * row.channels;
    const Shape y_shape{row.pictures, row.height / row.window, row.width / row.window,
                        row.channels};
    const auto x = values(row.pictures * each, 1, regime);
    const auto solve = [&]<typename T>(T) {
        const auto from = as<T>(x);
        std::vector<T> y(static_cast<std::size_t>(y_shape.numel()));
        for (std::int64_t n = 0; n < row.pictures; ++n)
            ref::avg_pool(y.data() + n * y_shape[1] * y_shape[2] * y_shape[3],
                          from.data() + n * each, row.height, row.width, row.channels,
                          std::int64_t{row.window});
        return std::vector<std::vector<T>>{y};
    };
    OpCase test;
    test.name = concat("avg pool, ", row.name, ", ", regime_name(regime));
    test.oracle = solve(double{});
    test.naive = solve(float{});
    test.items = row.pictures;
    test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
        CallMemory memory;
        AvgPoolArgs args;
        args.x = memory.in({x.begin() + first * each, x.begin() + (first + count) * each},
                           {count, row.height, row.width, row.channels});
        args.window = row.window;
        args.y = memory.out({count, y_shape[1], y_shape[2], y_shape[3]});
        ops::avg_pool(used, args);
        return memory.results();
    };
    check_op(test);
}

} // namespace

TEST_CASE("avg pool: every backend matches double arithmetic on every shape and regime") {
    for (const Row& row : kRows)
        for (Regime regime : kRegimes)
            check_case(row, regime);
}

TEST_CASE("avg pool: rejects every wrong argument") {
    Backend& used = backend("automatic", 1);
    auto x = values(32, 1);
    std::vector<float> y(8);
    AvgPoolArgs good;
    good.x = {x.data(), {1, 4, 4, 2}, DType::f32, {}};
    good.window = 2;
    good.y = {y.data(), {1, 2, 2, 2}, DType::f32, {}};
    CHECK_NOTHROW(ops::avg_pool(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        AvgPoolArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::avg_pool(used, changed); }, what);
    };
    bad(ErrorCode::invalid_argument, "window 0", [](auto& a) { a.window = 0; });
    bad(ErrorCode::invalid_argument, "window 5", [](auto& a) { a.window = 5; });
    bad(ErrorCode::shape_mismatch, "rank", [](auto& a) { a.x.shape = {4, 4, 2}; });
    bad(ErrorCode::shape_mismatch, "y", [](auto& a) { a.y.shape = {1, 2, 4, 1}; });
    bad(ErrorCode::invalid_argument, "null", [](auto& a) { a.y.data = nullptr; });
    bad(ErrorCode::dtype_mismatch, "dtype", [](auto& a) { a.x.dtype = DType::f16; });
    bad(ErrorCode::device_mismatch, "device",
        [](auto& a) { a.x.device.kind = Device::Kind::cuda; });
    bad(ErrorCode::invalid_argument, "overlap", [&](auto& a) { a.y.data = x.data(); });
}

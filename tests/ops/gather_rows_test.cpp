// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "backend/ref/gather_rows.hpp"
#include "base/concat.hpp"
#include "ops/gather_rows.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

TEST_CASE("gather rows: copies the rows asked for, in their order, on every backend") {
    for (std::int64_t width : {1, 33, 768})
        for (Regime regime : kRegimes) {
            const auto x = values(11 * width, 1, regime);
            const std::vector<std::int64_t> rows{10, 0, 5, 5, 3};
            const auto solve = [&]<typename T>(T) {
                std::vector<T> y(rows.size() * static_cast<std::size_t>(width));
                ref::gather_rows(y.data(), as<T>(x).data(), rows.data(), 5, width);
                return std::vector<std::vector<T>>{y};
            };
            OpCase test;
            test.name = concat("gather rows, width ", width, ", ", regime_name(regime));
            test.oracle = solve(double{});
            test.naive = solve(float{});
            test.items = 5;
            test.nmse_bound = 0;
            test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
                CallMemory memory;
                GatherRowsArgs args;
                args.x = memory.in(x, {11, width});
                args.rows = std::span(rows).subspan(static_cast<std::size_t>(first),
                                                    static_cast<std::size_t>(count));
                args.y = memory.out({count, width});
                ops::gather_rows(used, args);
                return memory.results();
            };
            check_op(test);
        }
}

TEST_CASE("gather rows: rejects every wrong argument") {
    Backend& used = backend("automatic", 1);
    auto x = values(12, 1);
    const std::vector<std::int64_t> rows{2, 0}, negative{-1, 0}, large{0, 3};
    std::vector<float> y(8);
    GatherRowsArgs good;
    good.x = {x.data(), {3, 4}, DType::f32, {}};
    good.rows = rows;
    good.y = {y.data(), {2, 4}, DType::f32, {}};
    CHECK_NOTHROW(ops::gather_rows(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        GatherRowsArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::gather_rows(used, changed); }, what);
    };
    bad(ErrorCode::invalid_argument, "negative", [&](auto& a) { a.rows = negative; });
    bad(ErrorCode::invalid_argument, "too large", [&](auto& a) { a.rows = large; });
    bad(ErrorCode::shape_mismatch, "rank", [](auto& a) { a.x.shape = {12}; });
    bad(ErrorCode::shape_mismatch, "y", [](auto& a) { a.y.shape = {3, 4}; });
    bad(ErrorCode::invalid_argument, "null", [](auto& a) { a.x.data = nullptr; });
    bad(ErrorCode::dtype_mismatch, "dtype", [](auto& a) { a.x.dtype = DType::i32; });
    bad(ErrorCode::device_mismatch, "device",
        [](auto& a) { a.x.device.kind = Device::Kind::cuda; });
    bad(ErrorCode::invalid_argument, "overlap", [&](auto& a) { a.y.data = x.data() + 4; });
}

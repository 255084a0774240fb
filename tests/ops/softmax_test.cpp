// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "backend/ref/softmax.hpp"
#include "base/concat.hpp"
#include "ops/softmax.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

void check_case(std::int64_t rows, std::int64_t count, bool in_place, Regime regime) {
    const auto x = values(rows * count, 1, regime);
    const auto solve = [&]<typename T>(T) {
        std::vector<T> y = as<T>(x);
        ref::softmax(y.data(), y.data(), rows, count);
        return std::vector<std::vector<T>>{y};
    };
    OpCase test;
    test.name = concat("softmax, (", rows, ", ", count, "), ", in_place ? "in place, " : "",
                       regime_name(regime));
    test.oracle = solve(double{});
    test.naive = solve(float{});
    test.items = rows;
    test.run = [&](Backend& used, std::int64_t first, std::int64_t number) {
        const std::vector<float> part(x.begin() + first * count,
                                      x.begin() + (first + number) * count);
        CallMemory memory;
        SoftmaxArgs args;
        args.y = in_place ? memory.in_out(part, {number, count}) : memory.out({number, count});
        args.x = in_place ? ConstView(args.y) : memory.in(part, {number, count});
        ops::softmax(used, args);
        return memory.results();
    };
    check_op(test);
}

} // namespace

TEST_CASE("softmax: every backend matches double arithmetic on every shape and regime") {
    for (Regime regime : kRegimes) {
        check_case(2, 1, false, regime);
        check_case(5, 33, false, regime);
        check_case(9, 1000, true, regime);
    }
}

TEST_CASE("softmax: minus infinity has probability zero, a NaN makes its own row NaN") {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    for (const std::string& name : backend_names()) {
        INFO(name);
        std::vector<float> x = values(3 * 20, 1);
        x[3] = -kInfinity;
        x[27] = std::numeric_limits<float>::quiet_NaN();
        CallMemory memory;
        SoftmaxArgs args;
        args.x = memory.in(x, {3, 20});
        args.y = memory.out({3, 20});
        ops::softmax(backend(name, 1), args);
        const auto y = memory.results()[0];
        CHECK(y[3] == 0);
        for (std::size_t i = 0; i < y.size(); ++i)
            CHECK(std::isnan(y[i]) == (i / 20 == 1));
    }
}

TEST_CASE("softmax: rejects every wrong argument") {
    Backend& used = backend("automatic", 1);
    auto x = values(12, 1);
    std::vector<float> y(12);
    SoftmaxArgs good;
    good.x = {x.data(), {3, 4}, DType::f32, {}};
    good.y = {y.data(), {3, 4}, DType::f32, {}};
    CHECK_NOTHROW(ops::softmax(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        SoftmaxArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::softmax(used, changed); }, what);
    };
    bad(ErrorCode::shape_mismatch, "rank", [](auto& a) { a.x.shape = {12}; });
    bad(ErrorCode::shape_mismatch, "empty rows", [](auto& a) { a.x.shape = {3, 0}; });
    bad(ErrorCode::shape_mismatch, "y", [](auto& a) { a.y.shape = {4, 3}; });
    bad(ErrorCode::invalid_argument, "null", [](auto& a) { a.x.data = nullptr; });
    bad(ErrorCode::dtype_mismatch, "dtype", [](auto& a) { a.x.dtype = DType::f64; });
    bad(ErrorCode::device_mismatch, "device",
        [](auto& a) { a.x.device.kind = Device::Kind::cuda; });
    bad(ErrorCode::invalid_argument, "beside x", [&](auto& a) {
        a.x.shape = a.y.shape = {2, 4};
        a.y.data = x.data() + 4;
    });
}

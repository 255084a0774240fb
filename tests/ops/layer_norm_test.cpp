// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "backend/ref/layer_norm.hpp"
#include "base/concat.hpp"
#include "ops/layer_norm.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Row {
    const char* name;
    std::int64_t rows, width;
    bool in_place = false, saves = false;
};

constexpr Row kRows[] = {
    {"one value", 3, 1},
    {"31", 5, 31},
    {"33, in place", 5, 33, true},
    {"a text's width", 77, 512},
    {"saved", 50, 768, false, true},
    {"1000, in place and saved", 2, 1000, true, true},
    {"wider than a warp holds, saved", 3, 1500, false, true},
};

void check_case(const Row& row, Regime regime) {
    const std::vector<float> x = values(row.rows * row.width, 1, regime);
    const std::vector<float> gamma = values(row.width, 2);
    const std::vector<float> beta = values(row.width, 3);
    const auto solve = [&]<typename T>(T) -> std::vector<std::vector<T>> {
        std::vector<T> y(x.size());
        std::vector<T> mean(static_cast<std::size_t>(row.rows)), rstd(mean.size());
        ref::layer_norm(y.data(), mean.data(), rstd.data(), as<T>(x).data(), as<T>(gamma).data(),
                        as<T>(beta).data(), T(1e-5f), row.rows, row.width);
        if (row.saves)
            return {y, mean, rstd};
        return {y};
    };
    OpCase test;
    test.name = concat("layer norm, ", row.name, ", ", regime_name(regime));
    test.oracle = solve(double{});
    test.naive = solve(float{});
    test.items = row.rows;
    test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
        const std::vector<float> part(x.begin() + first * row.width,
                                      x.begin() + (first + count) * row.width);
        const Shape shape{count, row.width};
        CallMemory memory;
        LayerNormArgs args;
        args.y = row.in_place ? memory.in_out(part, shape) : memory.out(shape);
        args.x = row.in_place ? ConstView(args.y) : memory.in(part, shape);
        args.gamma = memory.in(gamma, {row.width});
        args.beta = memory.in(beta, {row.width});
        if (row.saves) {
            args.mean = memory.out({count});
            args.rstd = memory.out({count});
        }
        ops::layer_norm(used, args);
        return memory.results();
    };
    check_op(test);
}

} // namespace

TEST_CASE("layer norm: every backend matches double arithmetic on every shape and regime") {
    for (const Row& row : kRows)
        for (Regime regime : kRegimes)
            check_case(row, regime);
}

TEST_CASE("layer norm: rejects every wrong argument") {
    Backend& used = backend("automatic", 1);
    std::vector<float> x = values(12, 1), weights = values(8, 2), y(12);
    LayerNormArgs good;
    good.x = {x.data(), {3, 4}, DType::f32, {}};
    good.gamma = {weights.data(), {4}, DType::f32, {}};
    good.beta = {weights.data() + 4, {4}, DType::f32, {}};
    good.y = {y.data(), {3, 4}, DType::f32, {}};
    CHECK_NOTHROW(ops::layer_norm(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        LayerNormArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::layer_norm(used, changed); }, what);
    };
    bad(ErrorCode::shape_mismatch, "rank", [](auto& a) { a.x.shape = {12}; });
    bad(ErrorCode::shape_mismatch, "empty rows", [](auto& a) { a.x.shape = {3, 0}; });
    bad(ErrorCode::shape_mismatch, "gamma", [](auto& a) { a.gamma.shape = {3}; });
    bad(ErrorCode::shape_mismatch, "beta", [](auto& a) { a.beta.shape = {5}; });
    bad(ErrorCode::shape_mismatch, "y", [](auto& a) { a.y.shape = {4, 3}; });
    bad(ErrorCode::shape_mismatch, "mean", [&](auto& a) {
        a.mean = {weights.data(), {4}, DType::f32, {}};
    });
    bad(ErrorCode::invalid_argument, "eps", [](auto& a) { a.eps = 0; });
    bad(ErrorCode::invalid_argument, "gamma null", [](auto& a) { a.gamma.data = nullptr; });
    bad(ErrorCode::dtype_mismatch, "x", [](auto& a) { a.x.dtype = DType::f16; });
    bad(ErrorCode::device_mismatch, "y", [](auto& a) { a.y.device.kind = Device::Kind::cuda; });
    bad(ErrorCode::invalid_argument, "y over half of x", [&](auto& a) {
        a.x.shape = a.y.shape = {1, 4};
        a.y.data = x.data() + 2;
    });
    bad(ErrorCode::invalid_argument, "mean over gamma", [&](auto& a) {
        a.mean = {weights.data(), {3}, DType::f32, {}};
    });
}

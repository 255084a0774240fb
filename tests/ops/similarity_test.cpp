// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "backend/ref/similarity.hpp"
#include "base/concat.hpp"
#include "ops/similarity.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

void check_case(std::int64_t rows, std::int64_t candidates, std::int64_t width, Regime regime) {
    const auto a = values(rows * width, 1, regime);
    const auto b = values(candidates * width, 2);
    constexpr float kScale = 100;
    const auto solve = [&]<typename T>(T) {
        std::vector<T> y(static_cast<std::size_t>(rows * candidates));
        ref::similarity(y.data(), as<T>(a).data(), as<T>(b).data(), T(kScale), rows, candidates,
                        width);
        return std::vector<std::vector<T>>{y};
    };
    OpCase test;
    test.name =
        concat("similarity, (", rows, ", ", candidates, ", ", width, "), ", regime_name(regime));
    test.oracle = solve(double{});
    test.naive = solve(float{});
    test.items = rows;
    test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
        CallMemory memory;
        SimilarityArgs args;
        args.a = memory.in({a.begin() + first * width, a.begin() + (first + count) * width},
                           {count, width});
        args.b = memory.in(b, {candidates, width});
        args.scale = kScale;
        args.y = memory.out({count, candidates});
        ops::similarity(used, args);
        return memory.results();
    };
    check_op(test);
}

} // namespace

TEST_CASE("similarity: every backend matches double arithmetic on every shape and regime") {
    for (Regime regime : kRegimes) {
        check_case(1, 1, 1, regime);
        check_case(5, 3, 33, regime);
        check_case(40, 101, 512, regime);
    }
    check_case(1, 1000, 512, Regime::normal);
    check_case(70, 2, 640, Regime::normal);
}

TEST_CASE("similarity: a candidate's score does not depend on the candidates beside it") {
    const auto a = values(3 * 512, 1), b = values(70 * 512, 2);
    for (const std::string& name : backend_names()) {
        const auto score = [&](std::int64_t first, std::int64_t count) {
            CallMemory memory;
            SimilarityArgs args;
            args.a = memory.in(a, {3, 512});
            args.b = memory.in({b.begin() + first * 512, b.begin() + (first + count) * 512},
                               {count, 512});
            args.y = memory.out({3, count});
            ops::similarity(backend(name, 2), args);
            return memory.results()[0];
        };
        const auto whole = score(0, 70);
        for (std::int64_t candidate : {0, 37, 69}) {
            const auto alone = score(candidate, 1);
            for (std::size_t row = 0; row < 3; ++row)
                CHECK(alone[row] == whole[row * 70 + static_cast<std::size_t>(candidate)]);
        }
    }
}

TEST_CASE("similarity: rejects every wrong argument") {
    Backend& used = backend("automatic", 1);
    auto a = values(12, 1), b = values(20, 2);
    std::vector<float> y(15);
    SimilarityArgs good;
    good.a = {a.data(), {3, 4}, DType::f32, {}};
    good.b = {b.data(), {5, 4}, DType::f32, {}};
    good.y = {y.data(), {3, 5}, DType::f32, {}};
    CHECK_NOTHROW(ops::similarity(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        SimilarityArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::similarity(used, changed); }, what);
    };
    bad(ErrorCode::shape_mismatch, "rank of a", [](auto& s) { s.a.shape = {12}; });
    bad(ErrorCode::shape_mismatch, "rank of b", [](auto& s) { s.b.shape = {20}; });
    bad(ErrorCode::shape_mismatch, "widths", [](auto& s) { s.b.shape = {4, 5}; });
    bad(ErrorCode::shape_mismatch, "empty rows", [](auto& s) { s.a.shape = s.b.shape = {3, 0}; });
    bad(ErrorCode::shape_mismatch, "y", [](auto& s) { s.y.shape = {5, 3}; });
    bad(ErrorCode::invalid_argument, "null", [](auto& s) { s.b.data = nullptr; });
    bad(ErrorCode::dtype_mismatch, "dtype", [](auto& s) { s.b.dtype = DType::f16; });
    bad(ErrorCode::device_mismatch, "device",
        [](auto& s) { s.a.device.kind = Device::Kind::cuda; });
    bad(ErrorCode::invalid_argument, "overlap", [&](auto& s) { s.y.data = b.data(); });
}

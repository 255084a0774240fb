// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "backend/ref/l2_normalize.hpp"
#include "base/concat.hpp"
#include "ops/l2_normalize.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

void check_case(std::int64_t rows, std::int64_t width, bool in_place, Regime regime) {
    const auto x = values(rows * width, 1, regime);
    const auto solve = [&]<typename T>(T) {
        std::vector<T> y(x.size()), norms(static_cast<std::size_t>(rows));
        ref::l2_normalize(y.data(), norms.data(), as<T>(x).data(), rows, width);
        return std::vector<std::vector<T>>{y, norms};
    };
    OpCase test;
    test.name = concat("l2 normalize, (", rows, ", ", width, "), ", in_place ? "in place, " : "",
                       regime_name(regime));
    test.oracle = solve(double{});
    test.naive = solve(float{});
    test.items = rows;
    test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
        const std::vector<float> part(x.begin() + first * width,
                                      x.begin() + (first + count) * width);
        CallMemory memory;
        L2NormalizeArgs args;
        args.y = in_place ? memory.in_out(part, {count, width}) : memory.out({count, width});
        args.x = in_place ? ConstView(args.y) : memory.in(part, {count, width});
        args.norms = memory.out({count});
        ops::l2_normalize(used, args);
        return memory.results();
    };
    check_op(test);
}

} // namespace

TEST_CASE("l2 normalize: every backend matches double arithmetic on every shape and regime") {
    for (Regime regime : kRegimes) {
        check_case(2, 1, false, regime);
        check_case(5, 33, false, regime);
        check_case(7, 512, true, regime);
    }
}

TEST_CASE("l2 normalize: a row of zeros stays zeros") {
    for (const std::string& name : backend_names()) {
        CallMemory memory;
        L2NormalizeArgs args;
        args.x = memory.in(std::vector<float>(20), {2, 10});
        args.y = memory.out({2, 10});
        ops::l2_normalize(backend(name, 1), args);
        CHECK(memory.results()[0] == std::vector<float>(20));
    }
}

TEST_CASE("l2 normalize: rejects every wrong argument") {
    Backend& used = backend("automatic", 1);
    auto x = values(12, 1);
    std::vector<float> y(12);
    L2NormalizeArgs good;
    good.x = {x.data(), {3, 4}, DType::f32, {}};
    good.y = {y.data(), {3, 4}, DType::f32, {}};
    CHECK_NOTHROW(ops::l2_normalize(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        L2NormalizeArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::l2_normalize(used, changed); }, what);
    };
    bad(ErrorCode::shape_mismatch, "rank", [](auto& a) { a.x.shape = {12}; });
    bad(ErrorCode::shape_mismatch, "empty rows", [](auto& a) { a.x.shape = {3, 0}; });
    bad(ErrorCode::shape_mismatch, "y", [](auto& a) { a.y.shape = {4, 3}; });
    bad(ErrorCode::shape_mismatch, "norms", [&](auto& a) {
        a.norms = {y.data(), {4}, DType::f32, {}};
    });
    bad(ErrorCode::invalid_argument, "null", [](auto& a) { a.x.data = nullptr; });
    bad(ErrorCode::dtype_mismatch, "dtype", [](auto& a) { a.x.dtype = DType::bf16; });
    bad(ErrorCode::device_mismatch, "device",
        [](auto& a) { a.x.device.kind = Device::Kind::cuda; });
    bad(ErrorCode::invalid_argument, "norms over y", [&](auto& a) {
        a.norms = {y.data(), {3}, DType::f32, {}};
    });
    bad(ErrorCode::invalid_argument, "y beside x", [&](auto& a) {
        a.x.shape = a.y.shape = {2, 4};
        a.y.data = x.data() + 4;
    });
}

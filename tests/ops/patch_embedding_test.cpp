// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "backend/ref/patch_embedding.hpp"
#include "base/concat.hpp"
#include "ops/linear.hpp"
#include "ops/patch_embedding.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Row {
    const char* name;
    std::int64_t pictures, side;
    int patch;
    std::int64_t width;
};

constexpr Row kRows[] = {
    {"one patch", 2, 4, 4, 5},         {"odd sizes", 3, 15, 3, 31},
    {"patches of 14", 2, 56, 14, 40},  {"patches of 32", 2, 96, 32, 100},
    {"patches of 16", 1, 112, 16, 64},
};

void check_case(const Row& row, Regime regime) {
    const std::int64_t grid = row.side / row.patch;
    const std::int64_t tokens = grid * grid + 1;
    const std::int64_t in = 3 * row.patch * row.patch;
    const std::int64_t each = 3 * row.side * row.side;
    const auto pictures = values(row.pictures * each, 1, regime);
    const auto projection = scaled_values(row.width * in, 2, 0.05f);
    const auto class_token = values(row.width, 3);
    const auto positions = values(tokens * row.width, 4);
    const auto solve = [&]<typename T>(T) {
        const auto p = as<T>(pictures), w = as<T>(projection), c = as<T>(class_token),
                   s = as<T>(positions);
        std::vector<T> y(static_cast<std::size_t>(row.pictures * tokens * row.width));
        std::vector<T> scratch(static_cast<std::size_t>(in));
        for (std::int64_t n = 0; n < row.pictures; ++n)
            for (std::int64_t t = 0; t < tokens; ++t)
                ref::patch_token(y.data() + (n * tokens + t) * row.width, scratch.data(),
                                 p.data() + n * each, w.data(), c.data(), s.data(), row.side,
                                 std::int64_t{row.patch}, row.width, t);
        return std::vector<std::vector<T>>{y};
    };
    OpCase test;
    test.name = concat("patch embedding, ", row.name, ", ", regime_name(regime));
    test.oracle = solve(double{});
    test.naive = solve(float{});
    test.items = row.pictures;
    test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
        const auto prepared = ops::prepare_linear(
            used, {{projection.data(), {row.width, in}, DType::f32, {}}, {}, DType::f32});
        CallMemory memory;
        PatchEmbeddingArgs args;
        args.pictures =
            memory.in({pictures.begin() + first * each, pictures.begin() + (first + count) * each},
                      {count, 3, row.side, row.side});
        args.patch = row.patch;
        args.projection = prepared.get();
        args.class_token = memory.in(class_token, {row.width});
        args.positions = memory.in(positions, {tokens, row.width});
        args.y = memory.out({count, tokens, row.width});
        ops::patch_embedding(used, args);
        return memory.results();
    };
    check_op(test);
}

} // namespace

TEST_CASE("patch embedding: every backend matches double arithmetic on every shape and regime") {
    for (const Row& row : kRows)
        check_case(row, Regime::normal);
    for (Regime regime : kRegimes)
        check_case(kRows[1], regime);
}

TEST_CASE("patch embedding: rejects every wrong argument") {
    Backend& used = backend("automatic", 1);
    const auto pictures = values(48, 1), weight = values(60, 2), positions = values(25, 3);
    const auto prepared =
        ops::prepare_linear(used, {{weight.data(), {5, 12}, DType::f32, {}}, {}, DType::f32});
    std::vector<float> y(25);
    PatchEmbeddingArgs good;
    good.pictures = {pictures.data(), {1, 3, 4, 4}, DType::f32, {}};
    good.patch = 2;
    good.projection = prepared.get();
    good.class_token = {weight.data(), {5}, DType::f32, {}};
    good.positions = {positions.data(), {5, 5}, DType::f32, {}};
    good.y = {y.data(), {1, 5, 5}, DType::f32, {}};
    CHECK_NOTHROW(ops::patch_embedding(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        PatchEmbeddingArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::patch_embedding(used, changed); }, what);
    };
    bad(ErrorCode::invalid_argument, "no projection", [](auto& a) { a.projection = nullptr; });
    bad(ErrorCode::invalid_argument, "patch 0", [](auto& a) { a.patch = 0; });
    bad(ErrorCode::invalid_argument, "patch 3", [](auto& a) { a.patch = 3; });
    bad(ErrorCode::shape_mismatch, "patch 4", [](auto& a) { a.patch = 4; });
    bad(ErrorCode::shape_mismatch, "rank", [](auto& a) { a.pictures.shape = {3, 4, 4}; });
    bad(ErrorCode::shape_mismatch, "channels", [](auto& a) { a.pictures.shape = {3, 1, 4, 4}; });
    bad(ErrorCode::shape_mismatch, "not square", [](auto& a) { a.pictures.shape = {1, 3, 2, 8}; });
    bad(ErrorCode::shape_mismatch, "class token", [](auto& a) { a.class_token.shape = {4}; });
    bad(ErrorCode::shape_mismatch, "positions", [](auto& a) { a.positions.shape = {4, 5}; });
    bad(ErrorCode::shape_mismatch, "y", [](auto& a) { a.y.shape = {5, 5}; });
    bad(ErrorCode::dtype_mismatch, "pictures", [](auto& a) { a.pictures.dtype = DType::u8; });
    bad(ErrorCode::device_mismatch, "y", [](auto& a) { a.y.device.kind = Device::Kind::cuda; });
    bad(ErrorCode::invalid_argument, "null", [](auto& a) { a.pictures.data = nullptr; });
    bad(ErrorCode::invalid_argument, "y over positions",
        [&](auto& a) { a.y.data = const_cast<float*>(positions.data()); });
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "backend/ref/l2_normalize.hpp"
#include "backend/ref/layer_norm.hpp"
#include "base/concat.hpp"
#include "ops/l2_normalize.hpp"
#include "ops/layer_norm.hpp"
#include "support/cases.hpp"
#include "support/central_differences.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Row {
    const char* name;
    std::int64_t rows, width;
    bool residual = false, in_place = false;
};

constexpr Row kRows[] = {
    {"one value", 3, 1},
    {"31", 5, 31},
    {"33, residual", 5, 33, true},
    {"a text's width, residual in place", 77, 512, true, true},
    {"more rows than a slice", 700, 48},
};

std::vector<float> part_of(const std::vector<float>& all, std::int64_t first, std::int64_t count,
                           std::int64_t width) {
    return {all.begin() + first * width, all.begin() + (first + count) * width};
}

template <typename T>
struct Saved {
    std::vector<T> y, mean, rstd;
};

template <typename T>
Saved<T> forward(const std::vector<T>& x, const std::vector<T>& gamma, const std::vector<T>& beta,
                 std::int64_t rows, std::int64_t width) {
    Saved<T> saved{std::vector<T>(x.size()), std::vector<T>(static_cast<std::size_t>(rows)),
                   std::vector<T>(static_cast<std::size_t>(rows))};
    ref::layer_norm(saved.y.data(), saved.mean.data(), saved.rstd.data(), x.data(), gamma.data(),
                    beta.data(), T(1e-5f), rows, width);
    return saved;
}

void check_case(const Row& row, Regime regime) {
    const std::int64_t rows = row.rows, width = row.width;
    const auto x = values(rows * width, 1, regime);
    const auto gamma = values(width, 2), beta = values(width, 3);
    const auto grad_y = values(rows * width, 4), residual = values(rows * width, 5);
    const auto grad_gamma = values(width, 6), grad_beta = values(width, 7);
    const auto exact = forward(as<double>(x), as<double>(gamma), as<double>(beta), rows, width);
    const std::vector<float> mean(exact.mean.begin(), exact.mean.end());
    const std::vector<float> rstd(exact.rstd.begin(), exact.rstd.end());
    const auto solve = [&]<typename T>(T) -> std::vector<std::vector<T>> {
        std::vector<T> grad_x(x.size()), to_gamma = as<T>(grad_gamma), to_beta = as<T>(grad_beta);
        const auto from = as<T>(x), m = as<T>(mean), r = as<T>(rstd), g = as<T>(grad_y);
        ref::layer_norm_grad_x<T>(grad_x.data(), from.data(), as<T>(gamma).data(), m.data(),
                                  r.data(), g.data(),
                                  row.residual ? as<T>(residual).data() : nullptr, rows, width);
        for (std::int64_t i = 0; i < width; ++i)
            ref::layer_norm_grad_gain(to_gamma.data(), to_beta.data(), from.data(), m.data(),
                                      r.data(), g.data(), rows, width, i);
        return {grad_x, to_gamma, to_beta};
    };
    // All gradients of the whole, then rows of grad_x by themselves.
    for (const bool apart : {false, true}) {
        OpCase test;
        test.name = concat("layer norm backward, ", row.name, ", ", regime_name(regime),
                           apart ? ", rows apart" : "");
        test.oracle = solve(double{});
        test.naive = solve(float{});
        if (apart) {
            test.oracle.resize(1);
            test.naive.resize(1);
        }
        test.items = apart ? rows : 1;
        test.run = [&, apart](Backend& used, std::int64_t first, std::int64_t count) {
            if (!apart)
                count = rows;
            const Shape shape{count, width};
            CallMemory memory;
            LayerNormBackwardArgs args;
            args.x = memory.in(part_of(x, first, count, width), shape);
            args.gamma = memory.in(gamma, {width});
            args.mean = memory.in(part_of(mean, first, count, 1), {count});
            args.rstd = memory.in(part_of(rstd, first, count, 1), {count});
            args.grad_y = memory.in(part_of(grad_y, first, count, width), shape);
            const auto added = part_of(residual, first, count, width);
            args.grad_x = row.in_place ? memory.in_out(added, shape) : memory.out(shape);
            if (row.residual)
                args.residual = row.in_place ? ConstView(args.grad_x) : memory.in(added, shape);
            if (!apart) {
                args.grad_gamma = memory.in_out(grad_gamma, {width});
                args.grad_beta = memory.in_out(grad_beta, {width});
            }
            ops::layer_norm_backward(used, args);
            return memory.results();
        };
        check_op(test);
    }
}

} // namespace

TEST_CASE("layer norm backward: the reference agrees with central differences") {
    constexpr std::int64_t kCount = 3, kWidth = 7;
    const auto x = as<double>(values(kCount * kWidth, 1));
    const auto gamma = as<double>(values(kWidth, 2)), beta = as<double>(values(kWidth, 3));
    const auto grad_y = as<double>(values(kCount * kWidth, 4));
    const auto saved = forward(x, gamma, beta, kCount, kWidth);
    std::vector<double> grad_x(x.size()), grad_gamma(gamma.size()), grad_beta(beta.size());
    ref::layer_norm_grad_x<double>(grad_x.data(), x.data(), gamma.data(), saved.mean.data(),
                                   saved.rstd.data(), grad_y.data(), nullptr, kCount, kWidth);
    for (std::int64_t i = 0; i < kWidth; ++i)
        ref::layer_norm_grad_gain(grad_gamma.data(), grad_beta.data(), x.data(), saved.mean.data(),
                                  saved.rstd.data(), grad_y.data(), kCount, kWidth, i);
    const auto loss = [&](const auto& from, const auto& g, const auto& b) {
        return weighted_sum(forward(from, g, b, kCount, kWidth).y, grad_y);
    };
    check_gradient(
        "x", x, [&](const auto& v) { return loss(v, gamma, beta); }, grad_x);
    check_gradient(
        "gamma", gamma, [&](const auto& v) { return loss(x, v, beta); }, grad_gamma);
    check_gradient(
        "beta", beta, [&](const auto& v) { return loss(x, gamma, v); }, grad_beta);
}

TEST_CASE("layer norm backward: every backend matches double arithmetic") {
    for (const Row& row : kRows)
        for (const Regime regime : {Regime::normal, Regime::large_mean, Regime::all_equal})
            check_case(row, regime);
}

TEST_CASE("l2 normalize backward: the reference agrees with central differences") {
    constexpr std::int64_t kCount = 2, kWidth = 5;
    const auto x = as<double>(values(kCount * kWidth, 1));
    const auto grad_y = as<double>(values(kCount * kWidth, 2));
    std::vector<double> y(x.size()), norms(kCount), grad_x(x.size());
    ref::l2_normalize(y.data(), norms.data(), x.data(), kCount, kWidth);
    ref::l2_normalize_backward(grad_x.data(), y.data(), norms.data(), grad_y.data(), kCount,
                               kWidth);
    check_gradient(
        "x", x,
        [&](const auto& from) {
            std::vector<double> to(from.size());
            ref::l2_normalize<double>(to.data(), nullptr, from.data(), kCount, kWidth);
            return weighted_sum(to, grad_y);
        },
        grad_x);
}

TEST_CASE("l2 normalize backward: every backend matches double arithmetic, in place or not") {
    for (const std::int64_t width : {1, 31, 512}) {
        constexpr std::int64_t kCount = 20;
        const auto x = values(kCount * width, 1), grad_y = values(kCount * width, 2);
        std::vector<float> y(x.size()), norms(kCount);
        ref::l2_normalize(y.data(), norms.data(), x.data(), kCount, width);
        norms[3] = 0; // a row that was all zeros
        const auto solve = [&]<typename T>(T) -> std::vector<std::vector<T>> {
            std::vector<T> grad_x(x.size());
            ref::l2_normalize_backward(grad_x.data(), as<T>(y).data(), as<T>(norms).data(),
                                       as<T>(grad_y).data(), kCount, width);
            return {grad_x};
        };
        OpCase test;
        test.name = concat("l2 normalize backward, width ", width);
        test.oracle = solve(double{});
        test.naive = solve(float{});
        test.items = kCount;
        test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
            CallMemory memory;
            L2NormalizeBackwardArgs args;
            args.y = memory.in(part_of(y, first, count, width), {count, width});
            args.norms = memory.in(part_of(norms, first, count, 1), {count});
            args.grad_x = memory.in_out(part_of(grad_y, first, count, width), {count, width});
            args.grad_y = args.grad_x;
            ops::l2_normalize_backward(used, args);
            return memory.results();
        };
        check_op(test);
    }
}

TEST_CASE("layer norm backward: rejects wrong arguments") {
    Backend& used = backend("automatic", 1);
    std::vector<float> in = values(12, 1), out(32);
    LayerNormBackwardArgs good;
    good.x = good.grad_y = {in.data(), {3, 4}, DType::f32, {}};
    good.gamma = {in.data(), {4}, DType::f32, {}};
    good.mean = good.rstd = {in.data(), {3}, DType::f32, {}};
    good.grad_x = {out.data(), {3, 4}, DType::f32, {}};
    good.grad_gamma = {out.data() + 12, {4}, DType::f32, {}};
    CHECK_NOTHROW(ops::layer_norm_backward(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        LayerNormBackwardArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::layer_norm_backward(used, changed); }, what);
    };
    bad(ErrorCode::shape_mismatch, "no mean", [](auto& a) { a.mean = {}; });
    bad(ErrorCode::shape_mismatch, "rstd", [](auto& a) { a.rstd.shape = {4}; });
    bad(ErrorCode::shape_mismatch, "gamma", [](auto& a) { a.gamma.shape = {3}; });
    bad(ErrorCode::invalid_argument, "grad_x over x", [&](auto& a) { a.x.data = a.grad_x.data; });
    bad(ErrorCode::invalid_argument, "gradients over one another",
        [](auto& a) { a.grad_beta = a.grad_gamma; });
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "backend/ref/linear.hpp"
#include "base/concat.hpp"
#include "ops/activation.hpp"
#include "ops/linear.hpp"
#include "support/cases.hpp"
#include "support/central_differences.hpp"

using namespace clip;
using namespace clip::test;

namespace {

constexpr Activation kActivations[] = {Activation::none, Activation::relu, Activation::quick_gelu,
                                       Activation::gelu};

struct Row {
    const char* name;
    std::int64_t rows, in, out;
    Activation activation = Activation::none;
};

constexpr Row kRows[] = {
    {"one by one", 1, 1, 1},
    {"odd sizes", 7, 33, 31},
    {"relu", 45, 17, 48, Activation::relu},
    {"quick gelu", 50, 96, 72, Activation::quick_gelu},
    {"gelu", 33, 65, 129, Activation::gelu},
    {"more rows than a slice", 2100, 20, 37, Activation::quick_gelu},
    {"wide", 70, 200, 300},
};

/// The gradients by the reference's loops, added to what weight and bias begin with.
template <typename T>
std::vector<std::vector<T>> solve(const Row& row, const std::vector<T>& grad_y,
                                  const std::vector<T>& x, const std::vector<T>& weight,
                                  const std::vector<T>& pre, std::vector<T> grad_weight,
                                  std::vector<T> grad_bias) {
    std::vector<T> grad_x(x.size());
    ref::linear_grad_x(grad_x.data(), grad_y.data(), weight.data(), row.activation,
                       row.activation == Activation::none ? nullptr : pre.data(), row.rows, row.in,
                       row.out);
    for (std::int64_t o = 0; o < row.out; ++o)
        ref::linear_grad_weight(grad_weight.data(), grad_bias.data(), grad_y.data(), x.data(),
                                row.rows, row.in, row.out, o);
    return {grad_x, grad_weight, grad_bias};
}

} // namespace

TEST_CASE("linear backward: the reference agrees with central differences") {
    for (const Activation activation : kActivations) {
        const Row row{"", 5, 4, 3, activation};
        const auto pre = as<double>(values(row.rows * row.in, 1));
        const auto weight = as<double>(values(row.out * row.in, 2));
        const auto bias = as<double>(values(row.out, 3));
        const auto grad_y = as<double>(values(row.rows * row.out, 4));
        const auto activated = [&](const std::vector<double>& from) {
            std::vector<double> x(from);
            for (double& value : x)
                value = ref::activate(activation, value);
            return x;
        };
        const auto loss = [&](const std::vector<double>& z, const std::vector<double>& w,
                              const std::vector<double>& b) {
            std::vector<double> y(grad_y.size());
            ref::linear<double>(y.data(), nullptr, activated(z).data(), w.data(), b.data(), nullptr,
                                Activation::none, row.rows, row.in, row.out);
            return weighted_sum(y, grad_y);
        };
        const auto gradients =
            solve<double>(row, grad_y, activated(pre), weight, pre,
                          std::vector<double>(weight.size()), std::vector<double>(bias.size()));
        const std::string name(activation_name(activation));
        check_gradient(
            name + " x", pre, [&](const auto& z) { return loss(z, weight, bias); }, gradients[0]);
        check_gradient(
            name + " weight", weight, [&](const auto& w) { return loss(pre, w, bias); },
            gradients[1]);
        check_gradient(
            name + " bias", bias, [&](const auto& b) { return loss(pre, weight, b); },
            gradients[2]);
    }
}

TEST_CASE("linear backward: every backend matches double arithmetic, whatever the threads") {
    for (const Row& row : kRows)
        for (const Regime regime : {Regime::normal, Regime::large_mean, Regime::tiny}) {
            const auto grad_y = values(row.rows * row.out, 1, regime);
            const auto x = values(row.rows * row.in, 2);
            const auto weight = scaled_values(row.out * row.in, 3, 0.1f);
            const auto pre = scaled_values(row.rows * row.in, 4, 3);
            const auto grad_weight = values(row.out * row.in, 5, regime);
            const auto grad_bias = values(row.out, 6, regime);
            const auto solved = [&]<typename T>(T) {
                return solve<T>(row, as<T>(grad_y), as<T>(x), as<T>(weight), as<T>(pre),
                                as<T>(grad_weight), as<T>(grad_bias));
            };
            OpCase test;
            test.name = concat("linear backward, ", row.name, ", ", regime_name(regime));
            test.oracle = solved(double{});
            test.naive = solved(float{});
            test.items = 1;
            test.run = [&](Backend& used, std::int64_t, std::int64_t) {
                CallMemory memory;
                LinearBackwardArgs args;
                args.grad_y = memory.in(grad_y, {row.rows, row.out});
                args.x = memory.in(x, {row.rows, row.in});
                args.weight = memory.in(weight, {row.out, row.in});
                args.activation = row.activation;
                if (row.activation != Activation::none)
                    args.pre_activation = memory.in(pre, {row.rows, row.in});
                args.grad_x = memory.out({row.rows, row.in});
                args.grad_weight = memory.in_out(grad_weight, {row.out, row.in});
                args.grad_bias = memory.in_out(grad_bias, {row.out});
                ops::linear_backward(used, args);
                return memory.results();
            };
            check_op(test);
        }
}

TEST_CASE("linear backward: a row of grad_x has the same bits in any batch") {
    const Row row{"", 40, 70, 50, Activation::gelu};
    const auto grad_y = values(row.rows * row.out, 1);
    const auto weight = scaled_values(row.out * row.in, 3, 0.1f);
    const auto pre = values(row.rows * row.in, 4);
    const auto solved = [&]<typename T>(T) -> std::vector<std::vector<T>> {
        std::vector<T> grad_x(pre.size());
        ref::linear_grad_x(grad_x.data(), as<T>(grad_y).data(), as<T>(weight).data(),
                           row.activation, as<T>(pre).data(), row.rows, row.in, row.out);
        return {grad_x};
    };
    OpCase test;
    test.name = "linear backward, rows apart";
    test.oracle = solved(double{});
    test.naive = solved(float{});
    test.items = row.rows;
    test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
        const auto part = [&](const std::vector<float>& all, std::int64_t width) {
            return std::vector<float>(all.begin() + first * width,
                                      all.begin() + (first + count) * width);
        };
        CallMemory memory;
        LinearBackwardArgs args;
        args.grad_y = memory.in(part(grad_y, row.out), {count, row.out});
        args.weight = memory.in(weight, {row.out, row.in});
        args.activation = row.activation;
        args.pre_activation = memory.in(part(pre, row.in), {count, row.in});
        args.grad_x = memory.out({count, row.in});
        ops::linear_backward(used, args);
        return memory.results();
    };
    check_op(test);
}

TEST_CASE("update_linear: gives what preparing anew gives") {
    const auto before = scaled_values(20 * 30, 1, 0.1f), after = scaled_values(20 * 30, 2, 0.1f);
    const auto bias = values(20, 3), x = values(5 * 30, 4);
    const auto view = [](const std::vector<float>& of, Shape shape) {
        return ConstView{of.data(), shape, DType::f32, {}};
    };
    for (const std::string& name : backend_names()) {
        Backend& used = backend(name, 2);
        const LinearWeights weights{view(after, {20, 30}), view(bias, {20}), DType::f32};
        const auto updated = ops::prepare_linear(used, {view(before, {20, 30}), {}, DType::f32});
        ops::update_linear(used, *updated, weights);
        const auto anew = ops::prepare_linear(used, weights);
        CallMemory memory;
        for (int i = 0; i < 2; ++i) {
            LinearArgs args;
            args.x = memory.in(x, {5, 30});
            args.weights = i == 0 ? updated.get() : anew.get();
            args.y = memory.out({5, 20});
            ops::linear(used, args);
        }
        INFO(name);
        const Results y = memory.results();
        CHECK(compare_bits(y[0], y[1]).ok);
        check_error(
            ErrorCode::shape_mismatch,
            [&] {
                ops::update_linear(used, *updated, {view(after, {30, 20}), {}, DType::f32});
            },
            "another shape");
    }
}

TEST_CASE("activation: every backend matches double arithmetic, forward and backward") {
    for (const Activation activation : kActivations)
        for (const std::int64_t width : {1, 31, 64, 1000}) {
            const std::int64_t rows = 40;
            const auto x = scaled_values(rows * width, 1, 4), grad_y = values(rows * width, 2);
            const auto solved = [&]<typename T>(T) -> std::vector<std::vector<T>> {
                std::vector<T> y(as<T>(x)), grad_x(as<T>(grad_y));
                for (std::size_t i = 0; i < y.size(); ++i) {
                    grad_x[i] *= ref::activation_slope(activation, y[i]);
                    y[i] = ref::activate(activation, y[i]);
                }
                return {y, grad_x};
            };
            OpCase test;
            test.name = concat("activation ", activation_name(activation), ", width ", width);
            test.oracle = solved(double{});
            test.naive = solved(float{});
            test.items = rows;
            test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
                const auto part = [&](const std::vector<float>& all) {
                    return std::vector<float>(all.begin() + first * width,
                                              all.begin() + (first + count) * width);
                };
                const Shape shape{count, width};
                CallMemory memory;
                const ConstView from = memory.in(part(x), shape);
                const MutView y = memory.out(shape);
                const MutView grad = memory.in_out(part(grad_y), shape); // in place
                ops::activation(used, {from, activation, y});
                ops::activation_backward(used, {from, grad, activation, grad});
                return memory.results();
            };
            check_op(test);
        }
}

TEST_CASE("linear backward: rejects every wrong argument") {
    Backend& used = backend("automatic", 1);
    std::vector<float> in = values(64, 1), out(64);
    LinearBackwardArgs good;
    good.grad_y = {in.data(), {4, 2}, DType::f32, {}};
    good.x = {in.data(), {4, 3}, DType::f32, {}};
    good.weight = {in.data(), {2, 3}, DType::f32, {}};
    good.grad_x = {out.data(), {4, 3}, DType::f32, {}};
    good.grad_weight = {out.data() + 12, {2, 3}, DType::f32, {}};
    good.grad_bias = {out.data() + 18, {2}, DType::f32, {}};
    CHECK_NOTHROW(ops::linear_backward(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        LinearBackwardArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::linear_backward(used, changed); }, what);
    };
    bad(ErrorCode::shape_mismatch, "rank", [](auto& a) { a.grad_y.shape = {8}; });
    bad(ErrorCode::shape_mismatch, "no weight", [](auto& a) { a.weight = {}; });
    bad(ErrorCode::shape_mismatch, "no x", [](auto& a) { a.x = {}; });
    bad(ErrorCode::shape_mismatch, "x", [](auto& a) { a.x.shape = {3, 4}; });
    bad(ErrorCode::shape_mismatch, "no pre-activation",
        [](auto& a) { a.activation = Activation::gelu; });
    bad(ErrorCode::shape_mismatch, "bias", [](auto& a) { a.grad_bias.shape = {3}; });
    bad(ErrorCode::invalid_argument, "in place", [&](auto& a) {
        a.grad_y = {out.data(), {4, 2}, DType::f32, {}};
    });
    bad(ErrorCode::dtype_mismatch, "dtype", [](auto& a) { a.grad_y.dtype = DType::f16; });
    bad(ErrorCode::dtype_mismatch, "x's", [](auto& a) { a.x.dtype = DType::bf16; });
    bad(ErrorCode::dtype_mismatch, "grad_x's", [](auto& a) { a.grad_x.dtype = DType::f16; });
}

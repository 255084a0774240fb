// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "backend/ref/conv2d.hpp"
#include "base/concat.hpp"
#include "ops/conv2d.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Row {
    const char* name;
    std::int64_t pictures, height, width, in, out, kernel;
    int stride = 1, padding = 0;
    Activation activation = Activation::none;
    bool bias = true, residual = false, in_place = false;
    DType storage = DType::f32;
};

constexpr Row kRows[] = {
    {"one pixel", 1, 1, 1, 1, 1, 1},
    {"stem 1", 2, 32, 32, 3, 8, 3, 2, 1, Activation::relu},
    {"stem 2", 2, 16, 16, 32, 32, 3, 1, 1, Activation::relu},
    {"1x1", 3, 7, 7, 64, 48, 1, 1, 0, Activation::relu},
    {"1x1 with residual", 2, 7, 7, 32, 64, 1, 1, 0, Activation::relu, true, true},
    {"residual in place", 2, 8, 6, 32, 64, 1, 1, 0, Activation::relu, true, true, true},
    {"residual without relu", 2, 5, 6, 16, 16, 3, 1, 1, Activation::none, true, true},
    {"odd channels", 2, 9, 5, 5, 7, 3, 1, 1, Activation::none, false},
    {"5x5, stride 3", 2, 11, 13, 6, 10, 5, 3, 2, Activation::none},
    {"bf16 weights", 2, 6, 6, 16, 20, 3, 1, 1, Activation::none, true, false, false, DType::bf16},
    {"i8 weights", 2, 6, 6, 16, 20, 3, 1, 1, Activation::relu, true, false, false, DType::i8},
};

struct Problem {
    explicit Problem(const Row& from, Regime regime)
        : row(from), out_height((row.height + 2 * row.padding - row.kernel) / row.stride + 1),
          out_width((row.width + 2 * row.padding - row.kernel) / row.stride + 1),
          x(values(row.pictures * row.height * row.width * row.in, 1, regime)),
          weight(row.storage == DType::f32
                     ? scaled_values(row.out * row.in * row.kernel * row.kernel, 2, 0.1f)
                     : storable_weights(row.out, row.in * row.kernel * row.kernel)) {
        if (row.storage != DType::i8) // devices multiply in the type that weights are kept in
            visit_floating(row.storage, [&]<typename T>() {
                for (float& value : x)
                    value = static_cast<float>(T(value));
            });
        if (row.bias)
            bias = values(row.out, 3);
        if (row.residual)
            residual = values(row.pictures * out_height * out_width * row.out, 4, regime);
    }

    template <typename T>
    std::vector<std::vector<T>> solve() const {
        std::vector<T> y(static_cast<std::size_t>(row.pictures * out_height * out_width * row.out));
        const auto b = as<T>(bias);
        const auto r = as<T>(residual);
        const ref::Conv2dSize size{row.height, row.width,  row.in,     out_height, out_width,
                                   row.out,    row.kernel, row.kernel, row.stride, row.padding};
        ref::conv2d(y.data(), as<T>(x).data(), as<T>(weight).data(), data_or_null(b),
                    data_or_null(r), row.activation, size, row.pictures);
        return {y};
    }

    std::unique_ptr<PreparedConv2d> prepare(Backend& used) const {
        Conv2dWeights weights;
        weights.weight = {weight.data(), {row.out, row.in, row.kernel, row.kernel}, DType::f32, {}};
        if (row.bias)
            weights.bias = {bias.data(), {row.out}, DType::f32, {}};
        weights.stride = row.stride;
        weights.padding = row.padding;
        weights.storage = row.storage;
        return ops::prepare_conv2d(used, weights);
    }

    Results run(Backend& used, const PreparedConv2d& prepared, std::int64_t first,
                std::int64_t count) const {
        const auto part = [&](const std::vector<float>& all) {
            const auto each = static_cast<std::int64_t>(all.size()) / row.pictures;
            return std::vector<float>(all.begin() + first * each,
                                      all.begin() + (first + count) * each);
        };
        const Shape y_shape{count, out_height, out_width, row.out};
        CallMemory memory;
        Conv2dArgs args;
        args.x = memory.in(part(x), {count, row.height, row.width, row.in});
        args.weights = &prepared;
        args.activation = row.activation;
        args.y = row.in_place ? memory.in_out(part(residual), y_shape) : memory.out(y_shape);
        if (row.residual)
            args.residual = row.in_place ? ConstView(args.y) : memory.in(part(residual), y_shape);
        ops::conv2d(used, args);
        return memory.results();
    }

    Row row;
    std::int64_t out_height, out_width;
    std::vector<float> x, weight, bias, residual;
};

void check_case(const Row& row, Regime regime) {
    const Problem problem(row, regime);
    OpCase test;
    test.name = concat("conv2d, ", row.name, ", ", regime_name(regime));
    test.oracle = problem.solve<double>();
    test.naive = problem.solve<float>();
    test.items = row.pictures;
    test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
        return problem.run(used, *problem.prepare(used), first, count);
    };
    check_op(test);
}

} // namespace

TEST_CASE("conv2d: every backend matches double arithmetic on every shape and regime") {
    for (const Row& row : kRows)
        if (row.storage != DType::i8 || !on_cuda()) // which refuses it: conv2d_test of tests/cuda
            check_case(row, Regime::normal);
    for (Regime regime : kRegimes)
        check_case({"regimes", 2, 8, 8, 16, 24, 3, 1, 1, Activation::none}, regime);
}

TEST_CASE("conv2d: rejects wrong weights when it is prepared") {
    Backend& used = backend("automatic", 1);
    const std::vector<float> weight = values(54, 2);
    Conv2dWeights good;
    good.weight = {weight.data(), {2, 3, 3, 3}, DType::f32, {}};
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        Conv2dWeights changed = good;
        change(changed);
        check_error(
            code, [&] { ops::prepare_conv2d(used, changed); }, what);
    };
    bad(ErrorCode::shape_mismatch, "rank", [](auto& w) { w.weight.shape = {2, 27}; });
    bad(ErrorCode::shape_mismatch, "empty", [](auto& w) { w.weight.shape = {2, 3, 0, 3}; });
    bad(ErrorCode::invalid_argument, "null", [](auto& w) { w.weight.data = nullptr; });
    bad(ErrorCode::dtype_mismatch, "dtype", [](auto& w) { w.weight.dtype = DType::f16; });
    bad(ErrorCode::invalid_argument, "stride", [](auto& w) { w.stride = 0; });
    bad(ErrorCode::invalid_argument, "padding", [](auto& w) { w.padding = 3; });
    bad(ErrorCode::invalid_argument, "negative padding", [](auto& w) { w.padding = -1; });
    bad(ErrorCode::unsupported, "storage", [](auto& w) { w.storage = DType::f64; });
    bad(ErrorCode::shape_mismatch, "bias", [&](auto& w) {
        w.bias = {weight.data(), {3}, DType::f32, {}};
    });
}

TEST_CASE("conv2d: rejects every wrong argument") {
    Backend& used = backend("automatic", 1);
    const std::vector<float> weight = values(54, 2);
    Conv2dWeights weights;
    weights.weight = {weight.data(), {2, 3, 3, 3}, DType::f32, {}};
    weights.padding = 1;
    const auto prepared = ops::prepare_conv2d(used, weights);
    std::vector<float> x = values(48, 1), y(32);
    Conv2dArgs good;
    good.x = {x.data(), {1, 4, 4, 3}, DType::f32, {}};
    good.weights = prepared.get();
    good.y = {y.data(), {1, 4, 4, 2}, DType::f32, {}};
    CHECK_NOTHROW(ops::conv2d(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        Conv2dArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::conv2d(used, changed); }, what);
    };
    bad(ErrorCode::invalid_argument, "no weights", [](auto& a) { a.weights = nullptr; });
    bad(ErrorCode::invalid_argument, "gelu", [](auto& a) { a.activation = Activation::gelu; });
    bad(ErrorCode::shape_mismatch, "rank of x", [](auto& a) { a.x.shape = {16, 3}; });
    bad(ErrorCode::shape_mismatch, "channels of x", [](auto& a) { a.x.shape = {1, 4, 6, 2}; });
    bad(ErrorCode::shape_mismatch, "height of y", [](auto& a) { a.y.shape = {1, 8, 2, 2}; });
    bad(ErrorCode::shape_mismatch, "a picture smaller than the kernel", [](auto& a) {
        a.x.shape = {1, 0, 4, 3};
    });
    bad(ErrorCode::invalid_argument, "x null", [](auto& a) { a.x.data = nullptr; });
    bad(ErrorCode::dtype_mismatch, "y of f64", [](auto& a) { a.y.dtype = DType::f64; });
    bad(ErrorCode::device_mismatch, "x on a GPU",
        [](auto& a) { a.x.device.kind = Device::Kind::cuda; });
    bad(ErrorCode::invalid_argument, "y over x", [&](auto& a) { a.y.data = x.data(); });
    bad(ErrorCode::shape_mismatch, "residual", [&](auto& a) {
        a.residual = {x.data(), {1, 4, 4, 3}, DType::f32, {}};
    });
}

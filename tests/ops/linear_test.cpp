// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "backend/ref/linear.hpp"
#include "base/concat.hpp"
#include "ops/linear.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Problem {
    std::int64_t rows, in, out;
    Activation activation;
    bool has_bias, has_residual, in_place, saves;
    DType storage;
    std::vector<float> x, weight, bias, residual;

    template <typename T>
    std::vector<std::vector<T>> solve() const {
        std::vector<T> y(static_cast<std::size_t>(rows * out)), pre(y.size());
        const auto b = as<T>(bias);
        const auto r = as<T>(residual);
        ref::linear(y.data(), pre.data(), as<T>(x).data(), as<T>(weight).data(), data_or_null(b),
                    data_or_null(r), activation, rows, in, out);
        if (saves)
            return {y, pre};
        return {y};
    }

    Results run(Backend& backend, const PreparedLinear& prepared, std::int64_t first,
                std::int64_t count) const {
        const auto part = [&](const std::vector<float>& all, std::int64_t width) {
            return all.empty() ? all
                               : std::vector<float>(all.begin() + first * width,
                                                    all.begin() + (first + count) * width);
        };
        CallMemory memory;
        LinearArgs args;
        args.x = memory.in(part(x, in), {count, in});
        args.weights = &prepared;
        args.activation = activation;
        args.y =
            in_place ? memory.in_out(part(residual, out), {count, out}) : memory.out({count, out});
        if (has_residual)
            args.residual =
                in_place ? ConstView(args.y) : memory.in(part(residual, out), {count, out});
        if (saves)
            args.pre_activation = memory.out({count, out});
        ops::linear(backend, args);
        return memory.results();
    }
};

struct Row {
    const char* name;
    std::int64_t rows, in, out;
    Activation activation = Activation::none;
    bool bias = true, residual = false, in_place = false, saves = false;
    DType storage = DType::f32;
};

constexpr Row kRows[] = {
    {"one by one", 1, 1, 1},
    {"odd sizes", 7, 33, 31},
    {"one row", 1, 64, 100, Activation::none, false},
    {"query, key and value of a text", 9, 512, 1536},
    {"a picture's tokens, quick gelu", 50, 192, 260, Activation::quick_gelu},
    {"gelu", 33, 65, 129, Activation::gelu},
    {"relu", 65, 17, 48, Activation::relu},
    {"residual", 70, 96, 72, Activation::none, true, true},
    {"residual in place", 37, 96, 72, Activation::none, true, true, true},
    {"quick gelu, residual in place, saved", 35, 40, 24, Activation::quick_gelu, true, true, true,
     true},
    {"saved", 5, 40, 24, Activation::gelu, true, false, false, true},
    {"bf16 weights", 34, 130, 70, Activation::none, true, false, false, false, DType::bf16},
    {"f16 weights", 34, 130, 70, Activation::quick_gelu, true, false, false, false, DType::f16},
    {"bf16 weights, many", 9, 600, 40, Activation::none, true, false, false, false, DType::bf16},
    {"i8 weights", 34, 130, 70, Activation::none, true, true, false, false, DType::i8},
};

void check_case(const Row& row, Regime regime) {
    Problem problem{row.rows,     row.in,       row.out,   row.activation, row.bias,
                    row.residual, row.in_place, row.saves, row.storage,    {},
                    {},           {},           {}};
    problem.x = values(row.rows * row.in, 1, regime);
    if (row.storage != DType::i8) // devices multiply in the type that weights are kept in
        visit_floating(row.storage, [&]<typename T>() {
            for (float& x : problem.x)
                x = static_cast<float>(T(x));
        });
    problem.weight = row.storage == DType::f32 ? scaled_values(row.out * row.in, 2, 0.1f)
                                               : storable_weights(row.out, row.in);
    if (row.bias)
        problem.bias = values(row.out, 3);
    if (row.residual)
        problem.residual = values(row.rows * row.out, 4, regime);
    OpCase test;
    test.name = concat("linear, ", row.name, ", ", regime_name(regime));
    test.oracle = problem.solve<double>();
    test.naive = problem.solve<float>();
    test.items = row.rows;
    // Preparing is dear beside one call; the weights of the backend last asked are kept.
    Backend* owner = nullptr;
    std::unique_ptr<PreparedLinear> prepared;
    test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
        if (owner != &used) {
            const ConstView bias{problem.bias.data(), {row.out}, DType::f32, {}};
            prepared = ops::prepare_linear(
                used, {{problem.weight.data(), {row.out, row.in}, DType::f32, {}},
                       row.bias ? bias : ConstView{},
                       row.storage});
            owner = &used;
        }
        return problem.run(used, *prepared, first, count);
    };
    check_op(test);
}

} // namespace

TEST_CASE("linear: every backend matches double arithmetic on every shape and regime") {
    for (const Row& row : kRows)
        if (row.storage != DType::i8 || !on_cuda()) // which refuses it: linear_test of tests/cuda
            check_case(row, Regime::normal);
    for (Regime regime : kRegimes) {
        check_case({"regimes", 40, 100, 60, Activation::none}, regime);
        check_case({"regimes, quick gelu", 40, 100, 60, Activation::quick_gelu}, regime);
    }
}

TEST_CASE("linear: a NaN or an infinity reaches its row and no other") {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    for (const std::string& name : backend_names()) {
        Backend& used = backend(name, 2);
        const std::vector<float> weight = scaled_values(20 * 30, 2, 0.1f);
        const auto prepared =
            ops::prepare_linear(used, {{weight.data(), {20, 30}, DType::f32, {}}, {}, DType::f32});
        std::vector<float> x = values(5 * 30, 1);
        x[30] = std::numeric_limits<float>::quiet_NaN();
        x[90] = kInfinity;
        CallMemory memory;
        LinearArgs args;
        args.x = memory.in(x, {5, 30});
        args.weights = prepared.get();
        args.y = memory.out({5, 20});
        ops::linear(used, args);
        const std::vector<float> y = memory.results()[0];
        for (std::size_t i = 0; i < y.size(); ++i) {
            CHECK(std::isnan(y[i]) == (i / 20 == 1));
            CHECK(std::isinf(y[i]) == (i / 20 == 3));
        }
    }
}

TEST_CASE("linear: no rows are no work") {
    for (const std::string& name : backend_names()) {
        Backend& used = backend(name, 1);
        const std::vector<float> weight = values(6, 2);
        const auto prepared =
            ops::prepare_linear(used, {{weight.data(), {2, 3}, DType::f32, {}}, {}, DType::f32});
        LinearArgs args;
        args.x.shape = {0, 3};
        args.x.device = used.device();
        args.weights = prepared.get();
        args.y.shape = {0, 2};
        args.y.device = used.device();
        CHECK_NOTHROW(ops::linear(used, args));
    }
}

TEST_CASE("linear: rejects wrong weights when it is prepared") {
    Backend& used = backend("automatic", 1);
    const std::vector<float> weight = values(6, 2);
    const LinearWeights good{{weight.data(), {2, 3}, DType::f32, {}}, {}, DType::f32};
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        LinearWeights changed = good;
        change(changed);
        check_error(
            code, [&] { ops::prepare_linear(used, changed); }, what);
    };
    bad(ErrorCode::shape_mismatch, "one axis", [](auto& w) { w.weight.shape = {6}; });
    bad(ErrorCode::shape_mismatch, "no elements", [](auto& w) { w.weight.shape = {2, 0}; });
    bad(ErrorCode::invalid_argument, "null", [](auto& w) { w.weight.data = nullptr; });
    bad(ErrorCode::dtype_mismatch, "f16 weights", [](auto& w) { w.weight.dtype = DType::f16; });
    bad(ErrorCode::device_mismatch, "device",
        [](auto& w) { w.weight.device.kind = Device::Kind::cuda; });
    bad(ErrorCode::shape_mismatch, "bias of another length", [&](auto& w) {
        w.bias = {weight.data(), {3}, DType::f32, {}};
    });
    bad(ErrorCode::unsupported, "storage", [](auto& w) { w.storage = DType::i32; });
}

TEST_CASE("linear: rejects every wrong argument") {
    Backend& used = backend("automatic", 1);
    const std::vector<float> weight = values(6, 2);
    const auto prepared =
        ops::prepare_linear(used, {{weight.data(), {2, 3}, DType::f32, {}}, {}, DType::f32});
    const std::vector<float> x = values(12, 1);
    std::vector<float> y(16);
    LinearArgs good;
    good.x = {x.data(), {4, 3}, DType::f32, {}};
    good.weights = prepared.get();
    good.y = {y.data(), {4, 2}, DType::f32, {}};
    CHECK_NOTHROW(ops::linear(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        LinearArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::linear(used, changed); }, what);
    };
    bad(ErrorCode::invalid_argument, "no weights", [](auto& a) { a.weights = nullptr; });
    bad(ErrorCode::shape_mismatch, "x of rank 1", [](auto& a) { a.x.shape = {12}; });
    bad(ErrorCode::shape_mismatch, "x too narrow", [](auto& a) { a.x.shape = {4, 2}; });
    bad(ErrorCode::shape_mismatch, "y too wide", [](auto& a) { a.y.shape = {4, 3}; });
    bad(ErrorCode::invalid_argument, "x null", [](auto& a) { a.x.data = nullptr; });
    bad(ErrorCode::invalid_argument, "y null", [](auto& a) { a.y.data = nullptr; });
    bad(ErrorCode::dtype_mismatch, "x of bf16", [](auto& a) { a.x.dtype = DType::bf16; });
    bad(ErrorCode::device_mismatch, "y on a GPU",
        [](auto& a) { a.y.device.kind = Device::Kind::cuda; });
    bad(ErrorCode::shape_mismatch, "residual", [&](auto& a) {
        a.residual = {x.data(), {2, 4}, DType::f32, {}};
    });
    bad(ErrorCode::invalid_argument, "residual null", [&](auto& a) {
        a.residual = {nullptr, {4, 2}, DType::f32, {}};
    });
    bad(ErrorCode::invalid_argument, "y over x",
        [&](auto& a) { a.y.data = const_cast<float*>(x.data()) + 4; });
    bad(ErrorCode::invalid_argument, "residual beside y", [&](auto& a) {
        a.residual = {y.data() + 2, {4, 2}, DType::f32, {}};
    });
    bad(ErrorCode::invalid_argument, "saved over y", [&](auto& a) { a.pre_activation = a.y; });
    bad(ErrorCode::invalid_argument, "misaligned",
        [&](auto& a) { a.x.data = reinterpret_cast<const char*>(x.data()) + 1; });
}

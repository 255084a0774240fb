// SPDX-License-Identifier: MIT
// Linear layers by the instructions of sm_90a, in emulation: against ref in double.
#include <doctest/doctest.h>

#include <limits>
#include <utility>
#include <vector>

#include "backend/cuda/emulation/emulator.hpp"
#include "backend/cuda/linear_hopper.hpp"
#include "backend/ref/linear.hpp"
#include "cuda/device_call.hpp"
#include "cuda/emulated_hopper.hpp"
#include "ops/linear.hpp"

namespace clip::test {

namespace {

struct Case {
    std::int64_t rows, depth, columns;
    DType dtype, y_dtype;
    Activation activation = Activation::none;
    bool bias = false, residual = false, saves = false;
    std::int64_t y_offset = 0; ///< elements; not 0: y is not aligned
};

const Case kCases[] = {
    {128, 64, 128, DType::f16, DType::f32},
    {1, 8, 1, DType::bf16, DType::f32},
    {200, 200, 130, DType::bf16, DType::f32, Activation::none, true, true, true},
    {129, 72, 257, DType::f16, DType::f16, Activation::quick_gelu, true},
    {50, 328, 64, DType::bf16, DType::bf16, Activation::gelu, true, false, true},
    {65, 768, 100, DType::f16, DType::f32, Activation::none, true, true},
    {70, 59, 33, DType::f16, DType::f16, Activation::relu, true, false, false, 1},
    // Wide tiles, the last with two columns.
    {140, 136, 2050, DType::f16, DType::f16, Activation::quick_gelu, true},
    {3, 320, 2304, DType::bf16, DType::bf16, Activation::none, true, true},
    // More tiles than the emulated device has places for blocks: 4 SMs, 2 or 1 a SM.
    {300, 264, 500, DType::bf16, DType::f32, Activation::none, true, true},
    {300, 64, 2048, DType::f16, DType::f16},
};

struct Problem {
    explicit Problem(const Case& from)
        : c(from), x(rounded(values(c.rows * c.depth, 1), c.dtype)),
          weight(rounded(scaled_values(c.columns * c.depth, 2, 0.1F), c.dtype)) {
        if (c.bias)
            bias = values(c.columns, 3);
        if (c.residual)
            residual = values(c.rows * c.columns, 4);
    }

    /// y, and what the activation is taken of.
    template <typename T>
    std::vector<std::vector<T>> solve() const {
        std::vector<T> y(static_cast<std::size_t>(c.rows * c.columns)), pre(y.size());
        const auto b = as<T>(bias), r = as<T>(residual);
        ref::linear(y.data(), pre.data(), as<T>(x).data(), as<T>(weight).data(), data_or_null(b),
                    data_or_null(r), c.activation, c.rows, c.depth, c.columns);
        return {y, pre};
    }

    /// Of `count` rows, from the `first` on.
    Results run(EmulatedDevice& device, std::int64_t first, std::int64_t count) const {
        DeviceCall call(device);
        const auto part = [&](const std::vector<float>& all, std::int64_t width) {
            return std::vector<float>(all.begin() + first * width,
                                      all.begin() + (first + count) * width);
        };
        LinearWeights weights;
        weights.weight = {weight.data(), {c.columns, c.depth}, DType::f32, {}};
        if (c.bias)
            weights.bias = {bias.data(), {c.columns}, DType::f32, {}};
        weights.storage = c.dtype;
        const auto prepared = device.backend().prepare_linear(weights);
        LinearArgs args;
        args.x = call.in(part(x, c.depth), {count, c.depth}, c.dtype);
        args.weights = prepared.get();
        args.activation = c.activation;
        if (c.residual)
            args.residual = call.in(part(residual, c.columns), {count, c.columns});
        args.y = call.out({count, c.columns}, c.y_dtype, c.y_offset);
        if (c.saves)
            args.pre_activation = call.out({count, c.columns});
        ops::linear(device.backend(), args);
        return call.results();
    }
    Results run(EmulatedDevice& device) const { return run(device, 0, c.rows); }

    Case c;
    std::vector<float> x, weight, bias, residual;
};

} // namespace

TEST_CASE("hopper gemm: y = activation(x W^T + bias) + residual in every shape") {
    const EmulatedHopper hopper;
    EmulatedDevice device;
    for (const Case& c : kCases) {
        const std::string name = concat(c.rows, " x ", c.depth, " x ", c.columns);
        const Problem problem(c);
        const auto oracle = problem.solve<double>();
        const auto naive = problem.solve<float>();
        const Results got = problem.run(device);
        check_close(name, got[0], oracle[0], naive[0], c.y_dtype);
        if (c.saves)
            check_close(concat(name, ", saved"), got[1], oracle[1], naive[1]);
    }
}

TEST_CASE("hopper gemm: a row's bits depend on no other row, nor on the order of threads") {
    const EmulatedHopper hopper;
    EmulatedDevice device;
    const Case c{300, 200, 136, DType::bf16, DType::f32, Activation::none, true};
    const Problem problem(c);
    const auto whole = problem.run(device)[0];
    for (const auto& [first, count] : {std::pair{0, 300}, {37, 1}, {130, 140}}) {
        cuda::emulation::set_order_seed(static_cast<std::uint64_t>(count));
        check_same_bits(
            concat("rows from ", first), problem.run(device, first, count)[0],
            {whole.begin() + first * c.columns, whole.begin() + (first + count) * c.columns});
    }
}

TEST_CASE("hopper gemm: NaN and infinities reach what they belong to, and nothing else") {
    const EmulatedHopper hopper;
    EmulatedDevice device;
    Problem problem({140, 72, 136, DType::f16, DType::f32});
    const float infinity = std::numeric_limits<float>::infinity();
    problem.x[5 * 72 + 70] = std::numeric_limits<float>::quiet_NaN();
    problem.x[139 * 72 + 3] = infinity;
    problem.weight[135 * 72] = -infinity;
    check_close("not finite", problem.run(device)[0], problem.solve<double>()[0],
                problem.solve<float>()[0]);
}

TEST_CASE("hopper gemm: is chosen by device, type and alignment, not by the number of rows") {
    const EmulatedHopper hopper;
    EmulatedDevice device;
    const cuda::Context& context = device.backend().context();
    alignas(16) static std::uint16_t memory[64];
    const cuda::HopperOperand good{memory, 64};
    const auto takes = [&](DType dtype, const cuda::HopperOperand& a, const cuda::HopperOperand& b,
                           std::int64_t rows) {
        return cuda::takes_linear_hopper(context, dtype, a, b, {rows, 8, 64});
    };
    CHECK(takes(DType::f16, good, good, 1));
    CHECK(takes(DType::bf16, good, good, 100000));
    CHECK(!takes(DType::f32, good, good, 1));
    CHECK(!takes(DType::f16, {memory + 1, 64}, good, 1));
    CHECK(!takes(DType::f16, {memory, 68}, good, 1));
    CHECK(!takes(DType::f16, good, {memory, 68}, 1));
    cuda::emulation::set_machine({.capability = 80});
    EmulatedDevice ampere;
    CHECK(
        !cuda::takes_linear_hopper(ampere.backend().context(), DType::f16, good, good, {8, 8, 64}));
}

} // namespace clip::test

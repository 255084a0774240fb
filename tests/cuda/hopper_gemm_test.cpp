// SPDX-License-Identifier: MIT
// The product of sm_90a in emulation: against ref in double, by the epilogue that linear has.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "backend/cuda/emulation/emulator.hpp"
#include "backend/cuda/emulation/machine.hpp"
#include "backend/cuda/gemm_epilogue.hpp"
#include "backend/cuda/gemm_hopper.hpp"
#include "backend/ref/linear.hpp"
#include "support/cases.hpp"

namespace clip::cuda {

namespace {

using namespace test;

/// Device memory with elements of any type.
struct DeviceMatrix {
    DType dtype;
    std::size_t count;
    void* at;

    DeviceMatrix(DType type, std::int64_t elements)
        : dtype(type), count(static_cast<std::size_t>(elements)),
          at(allocate_device(std::max<std::size_t>(1, count) * dtype_size(type))) {}
    DeviceMatrix(DType type, const std::vector<float>& values)
        : DeviceMatrix(type, static_cast<std::int64_t>(values.size())) {
        std::vector<std::byte> bytes(count * dtype_size(type));
        convert_from_f32(bytes.data(), dtype, values.data(), count);
        std::memcpy(at, bytes.data(), bytes.size());
        emulation::mark_written(at, bytes.size());
    }
    ~DeviceMatrix() { free_device(at); }
    DeviceMatrix(const DeviceMatrix&) = delete;
    DeviceMatrix& operator=(const DeviceMatrix&) = delete;
    std::vector<float> values() const {
        CHECK(emulation::is_written(at, count * dtype_size(dtype)));
        std::vector<float> result(count);
        convert_to_f32(result.data(), at, dtype, count);
        return result;
    }
};

std::vector<float> rounded(std::vector<float> values, DType dtype) {
    std::vector<std::byte> bytes(values.size() * dtype_size(dtype));
    convert_from_f32(bytes.data(), dtype, values.data(), values.size());
    convert_to_f32(values.data(), bytes.data(), dtype, values.size());
    return values;
}

struct Case {
    std::int64_t rows, depth, columns;
    DType dtype, y_dtype;
    Activation activation = Activation::none;
    bool bias = false, residual = false, saves = false;
    std::int64_t x_pitch = 0; ///< 0: depth
    int blocks = 0;           ///< 0: as the launcher has it
};

Context& context() {
    static ThreadPool pool(1);
    static Context made(0, CudaOptions{}, pool);
    return made;
}

template <typename T>
std::vector<float> multiply(const Case& c, const std::vector<float>& x,
                            const std::vector<float>& weight, const std::vector<float>& bias,
                            const std::vector<float>& residual, std::vector<float>* pre) {
    const std::int64_t pitch = c.x_pitch == 0 ? c.depth : c.x_pitch;
    const auto rows = static_cast<std::int64_t>(x.size()) / c.depth;
    std::vector<float> spread(static_cast<std::size_t>(rows * pitch), 1e30F);
    for (std::int64_t r = 0; r < rows; ++r)
        std::copy_n(x.begin() + r * c.depth, c.depth, spread.begin() + r * pitch);
    const DeviceMatrix a(c.dtype, c.x_pitch == 0 ? x : spread), b(c.dtype, weight);
    const DeviceMatrix y(c.y_dtype, rows * c.columns), saved(DType::f32, rows * c.columns);
    const DeviceMatrix biases(DType::f32, bias), others(DType::f32, residual);
    ForwardEpilogue epilogue;
    epilogue.y = {y.at, c.y_dtype, c.columns};
    epilogue.activation = c.activation;
    if (c.bias)
        epilogue.bias = {biases.at, DType::f32, 0};
    if (c.residual)
        epilogue.residual = {others.at, DType::f32, c.columns};
    if (c.saves)
        epilogue.pre_activation = {saved.at, DType::f32, c.columns};
    const HopperOperand left{a.at, pitch}, right{b.at, c.depth};
    const GemmExtents extents{rows, c.columns, c.depth, c.depth};
    REQUIRE(takes_gemm_hopper(context(), c.dtype, left, right, extents));
    if (c.blocks == 0)
        launch_gemm_hopper<T>(context(), "linear", c.dtype, left, right, extents, epilogue);
    else
        context().launch("linear", gemm_hopper_kernel<T, 128, ForwardEpilogue>,
                         {{static_cast<unsigned>(c.blocks)},
                          {HopperTile<128>::kThreads},
                          HopperTile<128>::kBytes},
                         hopper_gemm<128>(c.dtype, left, right, extents, epilogue));
    context().stream().synchronise();
    if (pre != nullptr)
        *pre = saved.values();
    return y.values();
}

std::vector<float> multiply(const Case& c, const std::vector<float>& x,
                            const std::vector<float>& weight, const std::vector<float>& bias,
                            const std::vector<float>& residual, std::vector<float>* pre = nullptr) {
    if (c.dtype == DType::f16)
        return multiply<Half>(c, x, weight, bias, residual, pre);
    return multiply<BFloat16>(c, x, weight, bias, residual, pre);
}

/// Of float64, or of float32 in plain loops.
template <typename T>
std::vector<T> solve(const Case& c, const std::vector<float>& x, const std::vector<float>& weight,
                     const std::vector<float>& bias, const std::vector<float>& residual,
                     std::vector<T>& pre) {
    std::vector<T> y(static_cast<std::size_t>(c.rows * c.columns));
    pre.resize(y.size());
    const auto b = as<T>(bias), r = as<T>(residual);
    ref::linear(y.data(), pre.data(), as<T>(x).data(), as<T>(weight).data(),
                c.bias ? b.data() : nullptr, c.residual ? r.data() : nullptr, c.activation, c.rows,
                c.depth, c.columns);
    return y;
}

const Case kCases[] = {
    {128, 64, 128, DType::f16, DType::f32},
    {1, 8, 1, DType::bf16, DType::f32},
    {200, 200, 130, DType::bf16, DType::f32, Activation::none, true, true, true},
    {129, 72, 257, DType::f16, DType::f16, Activation::quick_gelu, true},
    {50, 328, 64, DType::bf16, DType::bf16, Activation::gelu, true, false, true, 336},
    {65, 768, 100, DType::f16, DType::f32, Activation::none, true, true},
    // Wide tiles, the last with two columns.
    {140, 136, 2050, DType::f16, DType::f16, Activation::quick_gelu, true},
    {3, 320, 2304, DType::bf16, DType::bf16, Activation::none, true, true},
    // Blocks that go through several tiles, of one step and of several.
    {300, 64, 300, DType::f16, DType::f32, Activation::none, true, true, false, 0, 2},
    {300, 264, 300, DType::bf16, DType::f32, Activation::none, true, true, false, 0, 4},
};

} // namespace

TEST_CASE("hopper gemm: y = activation(x W^T + bias) + residual in every shape") {
    for (const Case& c : kCases) {
        CAPTURE(c.rows);
        CAPTURE(c.depth);
        CAPTURE(c.columns);
        const auto x = rounded(values(c.rows * c.depth, 1), c.dtype);
        const auto weight = rounded(scaled_values(c.columns * c.depth, 2, 0.1F), c.dtype);
        const auto bias = values(c.columns, 3), residual = values(c.rows * c.columns, 4);
        std::vector<double> oracle_pre;
        std::vector<float> naive_pre, pre;
        const auto oracle = solve<double>(c, x, weight, bias, residual, oracle_pre);
        const auto naive =
            rounded(solve<float>(c, x, weight, bias, residual, naive_pre), c.y_dtype);
        const auto got = multiply(c, x, weight, bias, residual, c.saves ? &pre : nullptr);
        // 16-bit results are off by their rounding, 2^-9 at most: its square is the bound.
        const double nmse = c.y_dtype == DType::f32 ? kReductionNmse : 4e-6;
        const Comparison y = compare(got, oracle, naive, c.y_dtype, nmse);
        CHECK_MESSAGE(y.ok, y.problem);
        if (c.saves) {
            const Comparison saved = compare(pre, oracle_pre, naive_pre);
            CHECK_MESSAGE(saved.ok, saved.problem);
        }
    }
}

TEST_CASE("hopper gemm: a row's bits depend on no other row, nor on the order of threads") {
    const Case c{300, 200, 136, DType::bf16, DType::f32, Activation::none, true};
    const auto x = rounded(values(c.rows * c.depth, 1), c.dtype);
    const auto weight = rounded(scaled_values(c.columns * c.depth, 2, 0.1F), c.dtype);
    const auto bias = values(c.columns, 3);
    const auto whole = multiply(c, x, weight, bias, {});
    for (const auto& [first, count] : {std::pair{0, 300}, {37, 1}, {130, 140}}) {
        emulation::set_order_seed(static_cast<std::uint64_t>(count));
        const std::vector<float> part(x.begin() + first * c.depth,
                                      x.begin() + (first + count) * c.depth);
        const std::vector<float> want(whole.begin() + first * c.columns,
                                      whole.begin() + (first + count) * c.columns);
        const Comparison same = compare_bits(multiply(c, part, weight, bias, {}), want);
        CHECK_MESSAGE(same.ok, same.problem);
    }
}

TEST_CASE("hopper gemm: NaN and infinities reach what they belong to, and nothing else") {
    const Case c{140, 72, 136, DType::f16, DType::f32};
    auto x = rounded(values(c.rows * c.depth, 1), c.dtype);
    auto weight = rounded(scaled_values(c.columns * c.depth, 2, 0.1F), c.dtype);
    x[static_cast<std::size_t>(5 * c.depth + 70)] = std::numeric_limits<float>::quiet_NaN();
    x[static_cast<std::size_t>(139 * c.depth + 3)] = std::numeric_limits<float>::infinity();
    weight[static_cast<std::size_t>(135 * c.depth)] = -std::numeric_limits<float>::infinity();
    std::vector<double> oracle_pre;
    std::vector<float> naive_pre;
    const auto oracle = solve<double>(c, x, weight, {}, {}, oracle_pre);
    const auto naive = solve<float>(c, x, weight, {}, {}, naive_pre);
    const Comparison y = compare(multiply(c, x, weight, {}, {}), oracle, naive);
    CHECK_MESSAGE(y.ok, y.problem);
}

TEST_CASE("hopper gemm: is refused where TMA or the device are not fit for it") {
    const DeviceMatrix a(DType::f16, std::vector<float>(64 * 64)),
        b(DType::f16, std::vector<float>(64 * 64));
    const GemmExtents extents{8, 8, 64, 64};
    const auto takes = [&](DType dtype, std::int64_t offset, std::int64_t pitch) {
        return takes_gemm_hopper(context(), dtype, {static_cast<Half*>(a.at) + offset, pitch},
                                 {b.at, 64}, extents);
    };
    CHECK(takes(DType::f16, 0, 64));
    CHECK(!takes(DType::f16, 1, 64));
    CHECK(!takes(DType::f16, 0, 66));
    CHECK(!takes(DType::f32, 0, 64));
    emulation::set_machine({.capability = 80});
    ThreadPool pool(1);
    const Context ampere(0, CudaOptions{}, pool);
    CHECK(!takes_gemm_hopper(ampere, DType::f16, {a.at, 64}, {b.at, 64}, extents));
    emulation::set_machine({});
}

} // namespace clip::cuda

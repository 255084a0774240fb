// SPDX-License-Identifier: MIT
// What the case tables of tests/ops do not have of linear layers on the device: 16 bits, tails of
// every extent, addresses that are aligned to elements only, and training's compute types.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/gradient_slice.hpp"
#include "backend/ref/linear.hpp"
#include "base/concat.hpp"
#include "ops/linear.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

constexpr std::int64_t kExtents[] = {1, 7, 31, 33, 64, 100, 129};
constexpr DType kTypes[] = {DType::f32, DType::f16, DType::bf16};
constexpr Activation kActivations[] = {Activation::none, Activation::relu, Activation::quick_gelu,
                                       Activation::gelu};

ThreadPool& pool() {
    static ThreadPool instance(1);
    return instance;
}

cuda::CudaBackend& device(const CudaOptions& options = {}) {
    // Never gone: the emulated device goes before statics do.
    static auto* plain = new cuda::CudaBackend(0, {}, pool());
    static cuda::CudaBackend* other = nullptr;
    if (options.compute == DType::f32 && !options.tf32)
        return *plain;
    delete other;
    other = new cuda::CudaBackend(0, options, pool());
    return *other;
}

/// Views that begin one element behind an aligned address where `shifted`.
struct Place {
    Backend& backend;
    bool shifted;
    CallMemory memory{backend};

    ConstView in(const std::vector<float>& values, const Shape& shape, DType dtype) {
        if (!shifted)
            return memory.in(values, shape, dtype);
        std::vector<float> longer(1, 0.0f);
        longer.insert(longer.end(), values.begin(), values.end());
        return part_of(memory.in(longer, {static_cast<std::int64_t>(longer.size())}, dtype), 1,
                       shape);
    }
    MutView out(const Shape& shape, DType dtype) {
        return shifted ? part_of(memory.out({shape.numel() + 1}, dtype), 1, shape)
                       : memory.out(shape, dtype);
    }
    MutView in_out(const std::vector<float>& values, const Shape& shape) { // float32
        if (!shifted)
            return memory.in_out(values, shape);
        std::vector<float> longer(1, 0.0f);
        longer.insert(longer.end(), values.begin(), values.end());
        return part_of(memory.in_out(longer, {static_cast<std::int64_t>(longer.size())}), 1, shape);
    }
    Results results() const {
        Results all = memory.results();
        if (shifted)
            for (auto& result : all)
                result.erase(result.begin());
        return all;
    }
};

void report(const std::string& what, const Comparison& comparison) {
    if (!comparison.ok)
        FAIL_CHECK(concat(what, ": ", comparison.problem));
}

double nmse_of(DType dtype) {
    return dtype == DType::f32 ? 1e-7 : dtype == DType::f16 ? 1e-6 : 1e-4;
}

struct Case {
    std::int64_t rows, out, in;
    DType storage = DType::f32, x_type = DType::f32, y_type = DType::f32;
    Activation activation = Activation::none;
    bool bias = true, residual = false, in_place = false, saves = false, shifted = false;
    DType saved_type = DType::f32;

    std::string name() const {
        return concat(
            "linear (", rows, ", ", out, ", ", in, ") ", dtype_name(storage), ", x ",
            dtype_name(x_type), ", y ", dtype_name(y_type), ", ", activation_name(activation),
            residual ? ", residual" : "", in_place ? " in place" : "",
            saves ? concat(", saved ", dtype_name(saved_type)) : "", shifted ? ", shifted" : "");
    }
};

void check_case(const Case& c) {
    const auto x = rounded(rounded(values(c.rows * c.in, 1), c.x_type), c.storage);
    const auto weight = rounded(scaled_values(c.out * c.in, 2, 0.2f), c.storage);
    const auto bias = c.bias ? values(c.out, 3) : std::vector<float>();
    const auto residual = c.residual ? values(c.rows * c.out, 4) : std::vector<float>();
    const auto solve = [&]<typename T>(T) {
        std::vector<T> y(static_cast<std::size_t>(c.rows * c.out)), pre(y.size());
        const auto b = as<T>(bias), r = as<T>(residual);
        ref::linear(y.data(), pre.data(), as<T>(x).data(), as<T>(weight).data(), data_or_null(b),
                    data_or_null(r), c.activation, c.rows, c.in, c.out);
        return std::pair(y, pre);
    };
    Backend& used = device();
    const ConstView bias_view{bias.data(), {c.out}, DType::f32, {}};
    const auto prepared = ops::prepare_linear(used, {{weight.data(), {c.out, c.in}, DType::f32, {}},
                                                     c.bias ? bias_view : ConstView{},
                                                     c.storage});
    Place place{used, c.shifted};
    LinearArgs args;
    args.x = place.in(x, {c.rows, c.in}, c.x_type);
    args.weights = prepared.get();
    args.activation = c.activation;
    const Shape shape{c.rows, c.out};
    args.y = c.in_place ? place.in_out(residual, shape) : place.out(shape, c.y_type);
    if (c.residual)
        args.residual = c.in_place ? ConstView(args.y) : place.in(residual, shape, DType::f32);
    if (c.saves)
        args.pre_activation = place.out(shape, c.saved_type);
    ops::linear(used, args);
    const Results results = place.results();
    const auto [y, pre] = solve(double{});
    const auto [naive_y, naive_pre] = solve(float{});
    report(c.name(),
           compare(results[0], y, rounded(naive_y, c.y_type), c.y_type, nmse_of(c.y_type)));
    if (c.saves)
        report(c.name() + ", pre_activation",
               compare(results[1], pre, rounded(naive_pre, c.saved_type), c.saved_type,
                       nmse_of(c.saved_type)));
}

} // namespace

TEST_CASE("linear on cuda: every tail, type and activation") {
    std::size_t i = 0;
    for (const std::int64_t rows : kExtents)
        for (const std::int64_t out : kExtents)
            for (const std::int64_t in : kExtents) {
                ++i;
                Case c{rows, out, in};
                c.storage = kTypes[i % 3];
                c.x_type = i % 5 < 3 ? c.storage : kTypes[i / 3 % 3];
                c.y_type = kTypes[i / 7 % 3];
                c.activation = kActivations[i / 2 % 4];
                c.bias = i % 4 != 1;
                c.residual = i % 3 == 1;
                c.in_place = c.residual && c.y_type == DType::f32 && i % 2 == 0;
                c.saves = i % 5 == 2;
                c.saved_type = kTypes[i / 5 % 3];
                c.shifted = i % 7 == 3;
                check_case(c);
            }
}

TEST_CASE("linear on cuda: each storage type with each activation, in wide tiles") {
    // 4 multiprocessors are emulated: two by two tiles of 128 are enough to fill them.
    for (const DType storage : kTypes)
        for (const Activation activation : kActivations) {
            Case c{200, 250, 72, storage, storage, storage, activation};
            c.saves = c.residual = activation != Activation::none;
            c.saved_type = storage;
            check_case(c);
        }
}

TEST_CASE("linear on cuda: rows have the same bits in any batch, in 16 bits too") {
    constexpr std::int64_t kRows = 280, kIn = 90, kOut = 140;
    for (const DType storage : kTypes) {
        const auto x = rounded(values(kRows * kIn, 1), storage);
        const auto weight = rounded(scaled_values(kOut * kIn, 2, 0.2f), storage);
        Backend& used = device();
        const auto prepared =
            ops::prepare_linear(used, {{weight.data(), {kOut, kIn}, DType::f32, {}}, {}, storage});
        const auto run = [&](std::int64_t first, std::int64_t count) {
            CallMemory memory(used);
            LinearArgs args;
            const std::vector<float> part(x.begin() + first * kIn,
                                          x.begin() + (first + count) * kIn);
            args.x = memory.in(part, {count, kIn}, storage);
            args.weights = prepared.get();
            args.activation = Activation::quick_gelu;
            args.y = memory.out({count, kOut}, storage);
            ops::linear(used, args);
            return memory.results()[0];
        };
        const auto whole = run(0, kRows);
        for (const auto& [first, count] :
             {std::pair<std::int64_t, std::int64_t>{0, 1}, {77, 1}, {60, 70}, {150, 130}})
            report(concat("rows from ", first),
                   compare_bits(run(first, count),
                                std::span(whole).subspan(static_cast<std::size_t>(first * kOut),
                                                         static_cast<std::size_t>(count * kOut))));
    }
}

TEST_CASE("linear on cuda: a NaN or an infinity reaches its row and no other, in 16 bits too") {
    for (const DType storage : kTypes) {
        Backend& used = device();
        auto x = values(70 * 40, 1);
        x[30 * 40 + 3] = std::numeric_limits<float>::quiet_NaN();
        x[65 * 40 + 39] = std::numeric_limits<float>::infinity();
        const auto weight = scaled_values(20 * 40, 2, 0.1f);
        const auto prepared =
            ops::prepare_linear(used, {{weight.data(), {20, 40}, DType::f32, {}}, {}, storage});
        CallMemory memory(used);
        LinearArgs args;
        args.x = memory.in(x, {70, 40}, storage);
        args.weights = prepared.get();
        args.y = memory.out({70, 20}, storage);
        ops::linear(used, args);
        const std::vector<float> y = memory.results()[0];
        for (std::size_t i = 0; i < y.size(); ++i) {
            CHECK(std::isnan(y[i]) == (i / 20 == 30));
            CHECK(std::isinf(y[i]) == (i / 20 == 65));
        }
    }
}

TEST_CASE("linear on cuda: weights of 8 bits are refused") {
    const auto weight = values(12, 1);
    const LinearWeights weights{{weight.data(), {3, 4}, DType::f32, {}}, {}, DType::i8};
    check_error(
        ErrorCode::unsupported, [&] { ops::prepare_linear(device(), weights); },
        "prepare linear: cuda does not keep weights so (got i8, want f32, f16 or bf16)");
}

TEST_CASE("linear on cuda: NVIDIA's product is not there without a GPU, and says so") {
    CudaOptions options;
    options.gemm = CudaGemm::cublaslt;
    cuda::CudaBackend used(0, options, pool());
    const auto weight = values(12, 1);
    const auto prepared =
        ops::prepare_linear(used, {{weight.data(), {3, 4}, DType::f32, {}}, {}, DType::f32});
    CallMemory memory(used);
    LinearArgs args;
    args.x = memory.in(values(8, 2), {2, 4});
    args.weights = prepared.get();
    args.activation = Activation::relu;
    args.y = memory.out({2, 3});
    check_error(
        ErrorCode::unsupported, [&] { ops::linear(used, args); },
        "cublaslt: not in this build (CLIP_CUDA_GEMM=own is)");
}

TEST_CASE("linear on cuda: weights come from the device too, and change their storage type") {
    Backend& used = device();
    const auto weight = rounded(values(30 * 21, 1), DType::bf16), bias = values(30, 2);
    const auto x = rounded(values(5 * 21, 3), DType::bf16);
    CallMemory weights(used);
    const ConstView w = weights.in(weight, {30, 21}), b = weights.in(bias, {30});
    const auto run = [&](const PreparedLinear& prepared) {
        CallMemory memory(used);
        LinearArgs args;
        args.x = memory.in(x, {5, 21});
        args.weights = &prepared;
        args.y = memory.out({5, 30});
        ops::linear(used, args);
        return memory.results()[0];
    };
    const auto want = run(*ops::prepare_linear(used, {w, b, DType::bf16}));
    const auto prepared = ops::prepare_linear(used, {{x.data(), {3, 21}, DType::f32, {}}, {}});
    CHECK(prepared->out_features() == 3);
    const auto changed = ops::prepare_linear(used, {w, {}, DType::f32});
    ops::update_linear(used, *changed, {w, b, DType::bf16});
    report("updated", compare_bits(run(*changed), want));
}

TEST_CASE("linear backward on cuda: each compute type, tails, slices of rows") {
    struct Row {
        std::int64_t rows, in, out;
        Activation activation;
        bool shifted = false;
        // Which of these have 16 bits in memory where products are computed in 16 bits; float32 is
        // computed from bf16, too.
        bool half_grad_y = false, half_x = false, half_grad_x = false;
    };
    constexpr Row kRows[] = {{1, 1, 1, Activation::none},
                             {33, 31, 100, Activation::gelu},
                             {100, 129, 64, Activation::quick_gelu, true},
                             {64, 128, 72, Activation::relu},
                             {700, 33, 7, Activation::none},
                             {300, 260, 140, Activation::quick_gelu},
                             {64, 128, 72, Activation::quick_gelu, false, true, true, true},
                             {65, 72, 128, Activation::none, false, false, true, true},
                             {33, 31, 7, Activation::gelu, false, true, true, true},
                             {300, 264, 136, Activation::quick_gelu, false, false, true, true},
                             {300, 264, 136, Activation::none, true, true, true, true},
                             {64, 128, 72, Activation::none, false, true, false, false}};
    for (const auto& [compute, tf32] : {std::pair{DType::f16, false},
                                        {DType::bf16, false},
                                        {DType::f32, true},
                                        {DType::f32, false}}) {
        CudaOptions options;
        options.compute = compute;
        options.tf32 = tf32;
        Backend& used = device(options);
        for (const Row& row : kRows) {
            // Rounded, so that only sums differ; TF32 keeps what bf16 has.
            const bool any_half = row.half_grad_y || row.half_x || row.half_grad_x;
            const DType half = compute == DType::f32 ? DType::bf16 : compute;
            const DType type = tf32 || any_half ? half : compute;
            const auto in_memory = [&](bool is_half) { return is_half ? half : DType::f32; };
            const auto grad_y = rounded(values(row.rows * row.out, 1), type);
            const auto x = rounded(values(row.rows * row.in, 2), type);
            const auto weight = rounded(scaled_values(row.out * row.in, 3, 0.1f), type);
            const auto pre = rounded(values(row.rows * row.in, 4), in_memory(row.half_x));
            const auto grad_weight = values(row.out * row.in, 5), grad_bias = values(row.out, 6);
            const auto solve = [&]<typename T>(T) {
                std::vector<T> gx(x.size()), gw = as<T>(grad_weight), gb = as<T>(grad_bias);
                ref::linear_grad_x<T>(
                    gx.data(), as<T>(grad_y).data(), as<T>(weight).data(), row.activation,
                    row.activation == Activation::none ? nullptr : as<T>(pre).data(), row.rows,
                    row.in, row.out);
                for (std::int64_t o = 0; o < row.out; ++o)
                    ref::linear_grad_weight(gw.data(), gb.data(), as<T>(grad_y).data(),
                                            as<T>(x).data(), row.rows, row.in, row.out, o);
                return std::vector{gx, gw, gb};
            };
            Place place{used, row.shifted};
            LinearBackwardArgs args;
            args.grad_y = place.in(grad_y, {row.rows, row.out}, in_memory(row.half_grad_y));
            args.x = place.in(x, {row.rows, row.in}, in_memory(row.half_x));
            args.weight = place.in(weight, {row.out, row.in}, DType::f32);
            args.activation = row.activation;
            if (row.activation != Activation::none)
                args.pre_activation = place.in(pre, {row.rows, row.in}, in_memory(row.half_x));
            const DType result = in_memory(row.half_grad_x);
            args.grad_x = place.out({row.rows, row.in}, result);
            args.grad_weight = place.in_out(grad_weight, {row.out, row.in});
            args.grad_bias = place.in_out(grad_bias, {row.out});
            ops::linear_backward(used, args);
            const Results results = place.results();
            const auto oracle = solve(double{});
            const auto naive = solve(float{});
            for (std::size_t o = 0; o < 3; ++o) {
                const DType is = o == 0 ? result : DType::f32;
                report(concat("linear backward (", row.rows, ", ", row.in, ", ", row.out, ") ",
                              dtype_name(compute), any_half ? ", 16 bits" : "", " output ", o),
                       compare(results[o], oracle[o], rounded(naive[o], is), is, nmse_of(is)));
            }
        }
    }
}

TEST_CASE("weight gradients: slices have rows by the weight's shape") {
    CHECK(cuda::gradient_slice(1, 1) == 256);
    CHECK(cuda::gradient_slice(768, 768) == 2048);    // 36 tiles
    CHECK(cuda::gradient_slice(3072, 768) == 8192);   // 144
    CHECK(cuda::gradient_slice(4096, 1024) == 16384); // 256
    CHECK(cuda::gradient_slice(49408, 512) == 16384);
}

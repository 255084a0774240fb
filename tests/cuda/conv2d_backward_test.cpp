// SPDX-License-Identifier: MIT
// Types of products, alignments and variants that tests/ops/conv2d_backward_test.cpp does not have.
#include <doctest/doctest.h>

#include "backend/ref/conv2d.hpp"
#include "cuda/device_call.hpp"
#include "ops/conv2d.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Row {
    const char* name;
    std::int64_t pictures, height, width, in, out, kernel;
    int stride = 1, padding = 0;
    std::int64_t offset = 0; ///< of x and of grad_y, in elements
};

constexpr Row kRows[] = {
    {"product", 2, 5, 6, 24, 40, 1},
    {"windows", 2, 7, 5, 16, 24, 3, 1, 1},
    {"strided windows", 2, 9, 10, 8, 16, 3, 2, 1},
    {"strided product", 2, 8, 7, 16, 8, 1, 2},
    {"wide kernel", 1, 9, 8, 8, 8, 5, 3, 2},
    {"three channels", 2, 12, 12, 3, 16, 3, 2, 1},
    {"odd channels", 1, 6, 6, 5, 7, 3, 1, 1},
    {"not aligned", 1, 6, 6, 16, 8, 3, 1, 1, 1},
    {"slices of places", 1, 65, 70, 8, 8, 1},
    // The emulated device has four SMs, which these fill with large tiles: of grad_x, of both.
    {"large tiles of pixels", 1, 16, 16, 136, 16, 3, 1, 1},
    {"large tiles of weights", 1, 12, 11, 16, 136, 3, 1, 1},
    {"large tiles of a product", 1, 12, 22, 136, 136, 1},
};

ref::Conv2dSize size_of(const Row& row) {
    return {row.height,
            row.width,
            row.in,
            (row.height + 2 * row.padding - row.kernel) / row.stride + 1,
            (row.width + 2 * row.padding - row.kernel) / row.stride + 1,
            row.out,
            row.kernel,
            row.kernel,
            row.stride,
            row.padding};
}

/// grad_x, and grad_weight and grad_bias, which begin with 1
template <typename T>
std::vector<std::vector<T>> solve(const Row& row, const std::vector<T>& grad_y,
                                  const std::vector<T>& factor_y, const std::vector<T>& x,
                                  const std::vector<T>& weight) {
    const ref::Conv2dSize size = size_of(row);
    std::vector<T> grad_x(x.size()), grad_weight(weight.size(), 1);
    std::vector<T> grad_bias(static_cast<std::size_t>(row.out), 1);
    for (std::int64_t n = 0; n < row.pictures; ++n)
        for (std::int64_t line = 0; line < row.height; ++line)
            ref::conv2d_grad_line(grad_x.data() + (n * row.height + line) * row.width * row.in,
                                  factor_y.data() + n * size.out_height * size.out_width * row.out,
                                  weight.data(), size, line);
    for (std::int64_t o = 0; o < row.out; ++o) {
        ref::conv2d_grad_weight<T>(grad_weight.data(), nullptr, factor_y.data(), x.data(), size,
                                   row.pictures, o);
        ref::conv2d_grad_weight<T>(nullptr, grad_bias.data(), grad_y.data(), x.data(), size,
                                   row.pictures, o);
    }
    return {grad_x, grad_weight, grad_bias};
}

Results run(EmulatedDevice& device, const Row& row, const std::vector<float>& grad_y,
            const std::vector<float>& x, const std::vector<float>& weight) {
    const ref::Conv2dSize size = size_of(row);
    const Shape x_shape{row.pictures, row.height, row.width, row.in};
    const Shape kernel{row.out, row.in, row.kernel, row.kernel};
    DeviceCall call(device);
    Conv2dBackwardArgs args;
    args.grad_y = call.in(grad_y, {row.pictures, size.out_height, size.out_width, row.out},
                          DType::f32, row.offset);
    args.x = call.in(x, x_shape, DType::f32, row.offset);
    args.weight = call.in(weight, kernel);
    args.stride = row.stride;
    args.padding = row.padding;
    args.grad_x = call.out(x_shape);
    args.grad_weight = call.in_out(std::vector<float>(weight.size(), 1), kernel);
    args.grad_bias =
        call.in_out(std::vector<float>(static_cast<std::size_t>(row.out), 1), {row.out});
    ops::conv2d_backward(device.backend(), args);
    return call.results();
}

void check_case(EmulatedDevice& device, const Row& row, DType compute) {
    const ref::Conv2dSize size = size_of(row);
    const auto x = values(row.pictures * row.height * row.width * row.in, 1);
    const auto grad_y = values(row.pictures * size.out_height * size.out_width * row.out, 2);
    const auto weight = scaled_values(row.out * row.in * row.kernel * row.kernel, 3, 0.1f);
    const Results got = run(device, row, grad_y, x, weight);
    const auto solved = [&]<typename T>(T) {
        return solve<T>(row, as<T>(grad_y), as<T>(rounded(grad_y, compute)),
                        as<T>(rounded(x, compute)), as<T>(rounded(weight, compute)));
    };
    const auto oracle = solved(double{});
    const auto naive = solved(float{});
    // Factors are exact, and sums float32: what is left is the truncation of the tensor cores.
    const DType floor = compute == DType::f32 ? DType::f32 : DType::f16;
    for (std::size_t o = 0; o < got.size(); ++o) {
        const Comparison found = compare(got[o], oracle[o], naive[o], o == 2 ? DType::f32 : floor);
        if (!found.ok)
            FAIL_CHECK(concat("conv2d backward, ", row.name, ", ", dtype_name(compute), ", output ",
                              o, ": ", found.problem));
    }
    const Results again = run(device, row, grad_y, x, weight);
    for (std::size_t o = 0; o < got.size(); ++o)
        check_same_bits(concat("conv2d backward, ", row.name, ", again"), again[o], got[o]);
}

} // namespace

TEST_CASE("cuda conv2d backward: every variant and type of product") {
    for (const DType compute : kLayerTypes) {
        CudaOptions options;
        options.compute = compute;
        EmulatedDevice device(options);
        for (const Row& row : kRows)
            check_case(device, row, compute);
    }
}

TEST_CASE("cuda conv2d backward: each gradient on its own") {
    EmulatedDevice device;
    const Row& row = kRows[1];
    const ref::Conv2dSize size = size_of(row);
    const Shape x_shape{row.pictures, row.height, row.width, row.in};
    const Shape y_shape{row.pictures, size.out_height, size.out_width, row.out};
    const Shape kernel{row.out, row.in, row.kernel, row.kernel};
    const auto x = values(x_shape.numel(), 1), grad_y = values(y_shape.numel(), 2);
    const auto weight = values(kernel.numel(), 3);
    const Results want = run(device, row, grad_y, x, weight);
    for (std::size_t o = 0; o < 3; ++o) {
        DeviceCall call(device);
        Conv2dBackwardArgs args;
        args.grad_y = call.in(grad_y, y_shape);
        args.padding = row.padding;
        if (o == 0) {
            args.weight = call.in(weight, kernel);
            args.grad_x = call.out(x_shape);
        } else if (o == 1) {
            args.x = call.in(x, x_shape);
            args.grad_weight = call.in_out(std::vector<float>(weight.size(), 1), kernel);
        } else {
            args.grad_bias =
                call.in_out(std::vector<float>(static_cast<std::size_t>(row.out), 1), {row.out});
        }
        ops::conv2d_backward(device.backend(), args);
        check_same_bits(concat("gradient ", o, " on its own"), call.results()[0], want[o]);
    }
}

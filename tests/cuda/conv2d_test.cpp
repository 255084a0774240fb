// SPDX-License-Identifier: MIT
// Element types, alignments and variants that tests/ops/conv2d_test.cpp does not have.
#include "ops/conv2d.hpp"

#include <limits>

#include "backend/ref/conv2d.hpp"
#include "cuda/device_call.hpp"
#include "cuda/emulated_hopper.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Row {
    const char* name;
    std::int64_t pictures, height, width, in, out, kernel;
    int stride = 1, padding = 0;
    std::int64_t offset = 0; ///< of x, in elements
    bool residual = false;
};

constexpr Row kRows[] = {
    {"product", 2, 5, 6, 40, 72, 1, 1, 0, 0, true},
    {"product of more columns than a tile", 1, 9, 9, 16, 200, 1},
    {"windows", 2, 7, 5, 16, 24, 3, 1, 1, 0, true},
    {"windows, rows of several tiles", 1, 13, 11, 24, 8, 3, 1, 1},
    {"strided windows", 2, 9, 10, 8, 16, 3, 2, 1},
    {"strided product", 2, 8, 7, 16, 16, 1, 2},
    {"wide kernel", 1, 9, 8, 8, 8, 5, 2, 2},
    {"three channels", 2, 12, 12, 3, 16, 3, 2, 1},
    {"chunks of float32 only", 1, 6, 6, 12, 10, 3, 1, 1},
    {"x is not aligned", 1, 6, 6, 16, 20, 3, 1, 1, 1},
    {"rows of y are not aligned", 1, 6, 6, 16, 7, 3, 1, 1, 0, true},
    {"one channel", 1, 5, 5, 1, 1, 3, 1, 1},
    // The emulated device has four SMs, which these fill with large tiles.
    {"large tiles of windows", 1, 16, 16, 16, 196, 3, 1, 1, 0, true},
    {"large tiles of a product", 2, 11, 12, 40, 136, 1},
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

struct Problem {
    Problem(const Row& from, DType x_as, DType storage_as, DType y_as)
        : row(from), size(size_of(from)), x_type(x_as), storage(storage_as),
          y_type(y_as), x_shape{row.pictures, row.height, row.width, row.in},
          y_shape{row.pictures, size.out_height, size.out_width, row.out}, kernel{row.out, row.in,
                                                                                  row.kernel,
                                                                                  row.kernel},
          x(rounded(values(x_shape.numel(), 1), x_type)),
          weight(rounded(scaled_values(kernel.numel(), 2, 0.1f), storage)),
          bias(values(row.out, 3)) {
        if (row.residual)
            residual = rounded(values(y_shape.numel(), 4), y_type);
        // What the product is given.
        factor = rounded(x, storage);
    }

    template <typename T>
    std::vector<T> solve() const {
        std::vector<T> y(static_cast<std::size_t>(y_shape.numel()));
        const auto others = as<T>(residual);
        ref::conv2d(y.data(), as<T>(factor).data(), as<T>(weight).data(), as<T>(bias).data(),
                    data_or_null(others), Activation::relu, size, row.pictures);
        return y;
    }

    /// Of the pictures [first, first + count); with a residual y is the same memory as it.
    std::vector<float> run(EmulatedDevice& device, std::int64_t first, std::int64_t count) const {
        const auto part = [&](const std::vector<float>& all) {
            const auto each = static_cast<std::int64_t>(all.size()) / row.pictures;
            return std::vector<float>(all.begin() + first * each,
                                      all.begin() + (first + count) * each);
        };
        DeviceCall call(device);
        Conv2dWeights weights;
        weights.weight = call.in(weight, kernel);
        weights.bias = call.in(bias, {row.out});
        weights.stride = row.stride;
        weights.padding = row.padding;
        weights.storage = storage;
        const auto prepared = ops::prepare_conv2d(device.backend(), weights);
        const Shape of_part{count, y_shape[1], y_shape[2], y_shape[3]};
        Conv2dArgs args;
        args.x = call.in(part(x), {count, row.height, row.width, row.in}, x_type, row.offset);
        args.weights = prepared.get();
        args.activation = Activation::relu;
        args.y =
            row.residual ? call.in_out(part(residual), of_part, y_type) : call.out(of_part, y_type);
        if (row.residual)
            args.residual = args.y;
        ops::conv2d(device.backend(), args);
        return call.results()[0];
    }

    Row row;
    ref::Conv2dSize size;
    DType x_type, storage, y_type;
    Shape x_shape, y_shape, kernel;
    std::vector<float> x, weight, bias, residual, factor;
};

std::string name_of(const Problem& problem) {
    return concat("conv2d, ", problem.row.name, ", ", dtype_name(problem.x_type), " by ",
                  dtype_name(problem.storage), " to ", dtype_name(problem.y_type));
}

} // namespace

TEST_CASE("cuda conv2d: every variant and type, whatever other pictures there are") {
    EmulatedDevice device;
    for (const Row& row : kRows)
        for (const DType dtype : kLayerTypes) {
            const Problem problem(row, dtype, dtype, dtype);
            const auto y = problem.run(device, 0, row.pictures);
            check_close(name_of(problem), y, problem.solve<double>(), problem.solve<float>(),
                        dtype);
            if (row.pictures > 1) {
                const auto alone = problem.run(device, 1, 1);
                check_same_bits(concat(name_of(problem), ", alone"), alone,
                                {y.end() - static_cast<std::ptrdiff_t>(alone.size()), y.end()});
            }
        }
}

TEST_CASE("cuda conv2d: products of 16 bits by the kernels of sm_90a") {
    const EmulatedHopper hopper;
    EmulatedDevice device;
    for (const Row& row : kRows)
        for (const DType dtype : {DType::f16, DType::bf16}) {
            if (row.kernel > 1 || row.stride > 1)
                continue;
            const Problem problem(row, dtype, dtype, dtype);
            const auto y = problem.run(device, 0, row.pictures);
            check_close(name_of(problem), y, problem.solve<double>(), problem.solve<float>(),
                        dtype);
            const auto alone = problem.run(device, row.pictures - 1, 1);
            check_same_bits(concat(name_of(problem), ", alone"), alone,
                            {y.end() - static_cast<std::ptrdiff_t>(alone.size()), y.end()});
        }
}

TEST_CASE("cuda conv2d: x and y may have other types than the weights") {
    EmulatedDevice device;
    for (const DType x_type : {DType::f32, DType::f16})
        for (const DType storage : kLayerTypes) {
            const Problem problem(kRows[2], x_type, storage, DType::f32);
            // Factors are exact, and sums are float32: rounding is left to the adder's truncation.
            const auto y = problem.run(device, 0, 2);
            check_close(name_of(problem), y, problem.solve<double>(), problem.solve<float>(),
                        storage == DType::f32 ? DType::f32 : DType::f16);
        }
}

TEST_CASE("cuda conv2d: one TF32 product has the digits that it promises") {
    CudaOptions options;
    options.tf32 = true;
    EmulatedDevice device(options);
    const Problem problem(kRows[2], DType::f32, DType::f32, DType::f32);
    const auto y = problem.run(device, 0, 2);
    // Factors of 11 digits, as f16 has.
    check_close(name_of(problem), y, problem.solve<double>(), problem.solve<float>(), DType::f16);
    EmulatedDevice exact;
    const auto close = problem.run(exact, 0, 2);
    CHECK_MESSAGE(!compare_bits(y, close).ok, "the option did nothing");
}

TEST_CASE("cuda conv2d: float32 lets infinities and NaN through, to the places that see them") {
    EmulatedDevice device;
    Problem problem(kRows[2], DType::f32, DType::f32, DType::f32);
    problem.x[0] = std::numeric_limits<float>::infinity();
    problem.x[static_cast<std::size_t>(3 * 5 + 3) * 16 + 2] =
        std::numeric_limits<float>::quiet_NaN();
    problem.factor = problem.x;
    check_close("conv2d with infinities", problem.run(device, 0, 2), problem.solve<double>(),
                problem.solve<float>());
}

TEST_CASE("cuda conv2d: weights on the host give what weights on the device give; i8 is refused") {
    EmulatedDevice device;
    const Problem problem(kRows[2], DType::f16, DType::f16, DType::f16);
    const auto want = problem.run(device, 0, 2);
    Conv2dWeights weights;
    weights.weight = {problem.weight.data(), problem.kernel, DType::f32, {}};
    weights.bias = {problem.bias.data(), {problem.row.out}, DType::f32, {}};
    weights.padding = 1;
    weights.storage = DType::f16;
    const auto prepared = ops::prepare_conv2d(device.backend(), weights);
    DeviceCall call(device);
    Conv2dArgs args;
    args.x = call.in(problem.x, problem.x_shape, DType::f16);
    args.weights = prepared.get();
    args.activation = Activation::relu;
    args.y = call.in_out(problem.residual, problem.y_shape, DType::f16);
    args.residual = args.y;
    ops::conv2d(device.backend(), args);
    check_same_bits("weights on the host", call.results()[0], want);
    weights.storage = DType::i8;
    check_error(
        ErrorCode::unsupported, [&] { ops::prepare_conv2d(device.backend(), weights); }, "i8");
}

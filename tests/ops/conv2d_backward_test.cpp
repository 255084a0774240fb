// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "backend/ref/conv2d.hpp"
#include "base/concat.hpp"
#include "ops/conv2d.hpp"
#include "support/cases.hpp"
#include "support/central_differences.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Row {
    const char* name;
    std::int64_t pictures, height, width, in, out, kernel;
    int stride = 1, padding = 0;
};

constexpr Row kRows[] = {
    {"one by one", 2, 5, 7, 20, 33, 1},
    {"three by three", 2, 6, 5, 16, 32, 3, 1, 1},
    {"few channels, stride 2", 2, 9, 8, 3, 10, 3, 2, 1},
    {"one by one, stride 2", 1, 7, 8, 5, 6, 1, 2},
    {"no padding", 1, 6, 6, 4, 16, 3},
    {"more places than a slice", 2, 25, 30, 3, 5, 3, 1, 1},
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

template <typename T>
std::vector<std::vector<T>> solve(const Row& row, const std::vector<T>& grad_y,
                                  const std::vector<T>& x, const std::vector<T>& weight,
                                  std::vector<T> grad_weight, std::vector<T> grad_bias) {
    const ref::Conv2dSize size = size_of(row);
    std::vector<T> grad_x(x.size());
    for (std::int64_t n = 0; n < row.pictures; ++n)
        for (std::int64_t line = 0; line < row.height; ++line)
            ref::conv2d_grad_line(grad_x.data() + (n * row.height + line) * row.width * row.in,
                                  grad_y.data() + n * size.out_height * size.out_width * row.out,
                                  weight.data(), size, line);
    for (std::int64_t o = 0; o < row.out; ++o)
        ref::conv2d_grad_weight(grad_weight.data(), grad_bias.data(), grad_y.data(), x.data(), size,
                                row.pictures, o);
    return {grad_x, grad_weight, grad_bias};
}

} // namespace

TEST_CASE("conv2d backward: the reference agrees with central differences") {
    for (const Row& row : {Row{"", 2, 4, 3, 2, 3, 3, 1, 1}, Row{"", 1, 6, 5, 2, 2, 3, 2, 1},
                           Row{"", 1, 3, 4, 3, 2, 1, 1, 0}}) {
        const ref::Conv2dSize size = size_of(row);
        const auto x = as<double>(values(row.pictures * row.height * row.width * row.in, 1));
        const auto weight = as<double>(values(row.out * row.in * row.kernel * row.kernel, 2));
        const auto bias = as<double>(values(row.out, 3));
        const auto grad_y =
            as<double>(values(row.pictures * size.out_height * size.out_width * row.out, 4));
        const auto loss = [&](const auto& from, const auto& w, const auto& b) {
            std::vector<double> y(grad_y.size());
            ref::conv2d<double>(y.data(), from.data(), w.data(), b.data(), nullptr,
                                Activation::none, size, row.pictures);
            return weighted_sum(y, grad_y);
        };
        const auto gradients =
            solve<double>(row, grad_y, x, weight, std::vector<double>(weight.size()),
                          std::vector<double>(bias.size()));
        check_gradient(
            "x", x, [&](const auto& v) { return loss(v, weight, bias); }, gradients[0]);
        check_gradient(
            "weight", weight, [&](const auto& v) { return loss(x, v, bias); }, gradients[1]);
        check_gradient(
            "bias", bias, [&](const auto& v) { return loss(x, weight, v); }, gradients[2]);
    }
}

TEST_CASE("conv2d backward: every backend matches double arithmetic, whatever the threads") {
    for (const Row& row : kRows) {
        const ref::Conv2dSize size = size_of(row);
        const Shape x_shape{row.pictures, row.height, row.width, row.in};
        const Shape y_shape{row.pictures, size.out_height, size.out_width, row.out};
        const Shape kernel{row.out, row.in, row.kernel, row.kernel};
        const auto x = values(x_shape.numel(), 1), grad_y = values(y_shape.numel(), 2);
        const auto weight = scaled_values(kernel.numel(), 3, 0.1f);
        const auto grad_weight = values(kernel.numel(), 4), grad_bias = values(row.out, 5);
        const auto solved = [&]<typename T>(T) {
            return solve<T>(row, as<T>(grad_y), as<T>(x), as<T>(weight), as<T>(grad_weight),
                            as<T>(grad_bias));
        };
        OpCase test;
        test.name = concat("conv2d backward, ", row.name);
        test.oracle = solved(double{});
        test.naive = solved(float{});
        test.items = 1;
        test.run = [&](Backend& used, std::int64_t, std::int64_t) {
            CallMemory memory;
            Conv2dBackwardArgs args;
            args.grad_y = memory.in(grad_y, y_shape);
            args.x = memory.in(x, x_shape);
            args.weight = memory.in(weight, kernel);
            args.stride = row.stride;
            args.padding = row.padding;
            args.grad_x = memory.out(x_shape);
            args.grad_weight = memory.in_out(grad_weight, kernel);
            args.grad_bias = memory.in_out(grad_bias, {row.out});
            ops::conv2d_backward(used, args);
            return memory.results();
        };
        check_op(test);
    }
}

TEST_CASE("conv2d backward: rejects wrong arguments; update_conv2d gives what preparing gives") {
    Backend& used = backend("automatic", 1);
    std::vector<float> in = values(200, 1), out(200);
    Conv2dBackwardArgs good;
    good.grad_y = {in.data(), {1, 4, 4, 2}, DType::f32, {}};
    good.x = {in.data(), {1, 4, 4, 3}, DType::f32, {}};
    good.weight = {in.data(), {2, 3, 3, 3}, DType::f32, {}};
    good.padding = 1;
    good.grad_x = {out.data(), {1, 4, 4, 3}, DType::f32, {}};
    good.grad_weight = {out.data() + 48, {2, 3, 3, 3}, DType::f32, {}};
    CHECK_NOTHROW(ops::conv2d_backward(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        Conv2dBackwardArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::conv2d_backward(used, changed); }, what);
    };
    bad(ErrorCode::invalid_argument, "stride", [](auto& a) { a.stride = 0; });
    bad(ErrorCode::invalid_argument, "padding", [](auto& a) { a.padding = 3; });
    bad(ErrorCode::shape_mismatch, "another extent", [](auto& a) { a.padding = 0; });
    bad(ErrorCode::shape_mismatch, "no weight", [](auto& a) { a.weight = {}; });
    bad(ErrorCode::shape_mismatch, "no x", [](auto& a) { a.x = {}; });
    bad(ErrorCode::shape_mismatch, "channels", [](auto& a) { a.x.shape = {1, 4, 4, 2}; });

    const auto before = values(54, 2), after = values(54, 3);
    for (const std::string& name : backend_names()) {
        Backend& each = backend(name, 2);
        Conv2dWeights weights{{before.data(), {2, 3, 3, 3}, DType::f32, {}}, {}, 1, 1};
        const auto updated = ops::prepare_conv2d(each, weights);
        CallMemory memory;
        Conv2dArgs args;
        args.x = memory.in(values(good.x.numel(), 1), good.x.shape);
        args.weights = updated.get();
        args.y = memory.out({1, 4, 4, 2});
        ops::conv2d(each, args); // with the old ones, whose layout may be kept
        weights.weight.data = after.data();
        ops::update_conv2d(each, *updated, weights);
        ops::conv2d(each, args);
        const auto anew = ops::prepare_conv2d(each, weights);
        args.weights = anew.get();
        args.y = memory.out({1, 4, 4, 2});
        ops::conv2d(each, args);
        INFO(name);
        const Results y = memory.results();
        CHECK(compare_bits(y[0], y[1]).ok);
    }
}

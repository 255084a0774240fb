// SPDX-License-Identifier: MIT
#include "ops/conv2d.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

std::unique_ptr<PreparedConv2d> prepare_conv2d(Backend& backend, const Conv2dWeights& weights) {
    ArgumentCheck check("prepare conv2d", backend);
    check.rank("weight", weights.weight, 4);
    const Shape& shape = weights.weight.shape;
    check.require(shape.numel() > 0, ErrorCode::shape_mismatch, "weight has no elements");
    check.weight("weight", weights.weight, shape);
    check.optional_weight("bias", weights.bias, {shape[0]});
    check.require(weights.stride >= 1, ErrorCode::invalid_argument, "stride is less than 1");
    check.require(weights.padding >= 0 && weights.padding < shape[2] && weights.padding < shape[3],
                  ErrorCode::invalid_argument, "padding is not in 0 to the kernel's side - 1");
    check.storage(weights.storage);
    return backend.prepare_conv2d(weights);
}

void conv2d(Backend& backend, const Conv2dArgs& args) {
    ArgumentCheck check("conv2d", backend);
    check.require(args.weights != nullptr, ErrorCode::invalid_argument,
                  "weights is a null pointer");
    check.require(args.activation == Activation::none || args.activation == Activation::relu,
                  ErrorCode::invalid_argument, "activation is neither none nor relu");
    check.rank("x", args.x, 4);
    const Shape& x = args.x.shape;
    const Shape& weight = args.weights->weight_shape();
    check.layer_input("x", args.x, {x[0], x[1], x[2], weight[1]});
    const Shape y{x[0], args.weights->output_extent(x[1], 2), args.weights->output_extent(x[2], 3),
                  weight[0]};
    check.require(y[1] > 0 && y[2] > 0, ErrorCode::shape_mismatch,
                  "the kernel is larger than the padded picture");
    check.optional_layer_input("residual", args.residual, y);
    check.layer_output("y", args.y, y, "residual");
    check.overlaps();
    if (x[0] > 0)
        backend.conv2d(args);
}

void update_conv2d(Backend& backend, PreparedConv2d& prepared, const Conv2dWeights& weights) {
    ArgumentCheck check("update conv2d", backend);
    const Shape& shape = prepared.weight_shape();
    check.weight("weight", weights.weight, shape);
    check.optional_weight("bias", weights.bias, {shape[0]});
    check.require(weights.stride == prepared.stride() && weights.padding == prepared.padding(),
                  ErrorCode::invalid_argument, "stride or padding is another one");
    check.storage(weights.storage);
    backend.update_conv2d(prepared, weights);
}

void conv2d_backward(Backend& backend, const Conv2dBackwardArgs& args) {
    ArgumentCheck check("conv2d backward", backend);
    check.rank("grad_y", args.grad_y, 4);
    check.require(args.stride >= 1, ErrorCode::invalid_argument, "stride is less than 1");
    const Shape& y = args.grad_y.shape;
    check.input("grad_y", args.grad_y, y);
    const auto fits = [&](const Shape& x, const Shape& kernel) {
        check.require(args.padding >= 0 && args.padding < kernel[2] && args.padding < kernel[3],
                      ErrorCode::invalid_argument, "padding is not in 0 to the kernel's side - 1");
        const auto extent = [&](std::size_t axis) {
            const std::int64_t span = x[axis] + 2 * std::int64_t{args.padding} - kernel[axis + 1];
            return span < 0 ? 0 : span / args.stride + 1;
        };
        check.require(x[0] == y[0] && extent(1) == y[1] && extent(2) == y[2],
                      ErrorCode::shape_mismatch, "grad_y is not what such a convolution gives");
    };
    if (args.grad_x.data != nullptr) {
        check.rank("grad_x", args.grad_x, 4);
        check.rank("weight", args.weight, 4);
        const Shape& kernel = args.weight.shape;
        fits(args.grad_x.shape, kernel);
        check.input("weight", args.weight, {y[3], args.grad_x.shape[3], kernel[2], kernel[3]});
        check.output("grad_x", args.grad_x, args.grad_x.shape);
    }
    if (args.grad_weight.data != nullptr) {
        check.rank("x", args.x, 4);
        check.rank("grad_weight", args.grad_weight, 4);
        const Shape& kernel = args.grad_weight.shape;
        fits(args.x.shape, kernel);
        check.input("x", args.x, args.x.shape);
        check.output("grad_weight", args.grad_weight,
                     {y[3], args.x.shape[3], kernel[2], kernel[3]});
    }
    check.optional_output("grad_bias", args.grad_bias, {y[3]});
    check.overlaps();
    if (args.grad_y.numel() > 0)
        backend.conv2d_backward(args);
}

} // namespace clip::ops

// SPDX-License-Identifier: MIT
#include "ops/conv2d.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

std::unique_ptr<PreparedConv2d> prepare_conv2d(Backend& backend, const Conv2dWeights& weights) {
    ArgumentCheck check("prepare conv2d", backend);
    check.rank("weight", weights.weight, 4);
    const Shape& shape = weights.weight.shape;
    check.require(shape.numel() > 0, ErrorCode::shape_mismatch, "weight has no elements");
    check.input("weight", weights.weight, shape);
    check.optional_input("bias", weights.bias, {shape[0]});
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
    check.input("x", args.x, {x[0], x[1], x[2], weight[1]});
    const Shape y{x[0], args.weights->output_extent(x[1], 2), args.weights->output_extent(x[2], 3),
                  weight[0]};
    check.require(y[1] > 0 && y[2] > 0, ErrorCode::shape_mismatch,
                  "the kernel is larger than the padded picture");
    check.optional_input("residual", args.residual, y);
    check.output("y", args.y, y, "residual");
    check.overlaps();
    if (x[0] > 0)
        backend.conv2d(args);
}

} // namespace clip::ops

// SPDX-License-Identifier: MIT
#include "ops/batch_norm.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void batch_norm(Backend& backend, const BatchNormArgs& args) {
    ArgumentCheck check("batch norm", backend);
    check.rank("x", args.x, 2);
    const Shape& shape = args.x.shape;
    const Shape channels{shape[1]};
    check.require(args.x.numel() > 0, ErrorCode::shape_mismatch, "x has no elements");
    check.require(args.eps > 0, ErrorCode::invalid_argument, "eps is not positive");
    check.require(args.momentum >= 0 && args.momentum <= 1, ErrorCode::invalid_argument,
                  "momentum is not in 0 to 1");
    check.require(args.activation == Activation::none || args.activation == Activation::relu,
                  ErrorCode::invalid_argument, "activation is neither none nor relu");
    check.input("x", args.x, shape);
    check.input("gamma", args.gamma, channels);
    check.input("beta", args.beta, channels);
    check.optional_input("residual", args.residual, shape);
    check.output("y", args.y, shape, "residual");
    check.output("mean", args.mean, channels);
    check.output("rstd", args.rstd, channels);
    check.optional_output("running_mean", args.running_mean, channels);
    check.optional_output("running_variance", args.running_variance, channels);
    check.overlaps();
    backend.batch_norm(args);
}

void batch_norm_backward(Backend& backend, const BatchNormBackwardArgs& args) {
    ArgumentCheck check("batch norm backward", backend);
    check.rank("x", args.x, 2);
    const Shape& shape = args.x.shape;
    const Shape channels{shape[1]};
    check.require(args.x.numel() > 0, ErrorCode::shape_mismatch, "x has no elements");
    check.input("x", args.x, shape);
    check.input("gamma", args.gamma, channels);
    check.input("mean", args.mean, channels);
    check.input("rstd", args.rstd, channels);
    check.input("grad_y", args.grad_y, shape);
    if (args.grad_x.data != nullptr)
        check.output("grad_x", args.grad_x, shape, "grad_y");
    check.optional_output("grad_gamma", args.grad_gamma, channels);
    check.optional_output("grad_beta", args.grad_beta, channels);
    check.overlaps();
    backend.batch_norm_backward(args);
}

} // namespace clip::ops

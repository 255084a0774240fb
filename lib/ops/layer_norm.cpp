// SPDX-License-Identifier: MIT
#include "ops/layer_norm.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void layer_norm(Backend& backend, const LayerNormArgs& args) {
    ArgumentCheck check("layer norm", backend);
    check.rank("x", args.x, 2);
    const std::int64_t rows = args.x.shape[0];
    const std::int64_t width = args.x.shape[1];
    check.require(width > 0, ErrorCode::shape_mismatch, "rows of x are empty");
    check.require(args.eps > 0, ErrorCode::invalid_argument, "eps is not positive");
    check.input("x", args.x, {rows, width});
    check.input("gamma", args.gamma, {width});
    check.input("beta", args.beta, {width});
    check.layer_output("y", args.y, {rows, width}, "x");
    check.optional_output("mean", args.mean, {rows});
    check.optional_output("rstd", args.rstd, {rows});
    check.overlaps();
    if (rows > 0)
        backend.layer_norm(args);
}

void layer_norm_backward(Backend& backend, const LayerNormBackwardArgs& args) {
    ArgumentCheck check("layer norm backward", backend);
    check.rank("x", args.x, 2);
    const std::int64_t rows = args.x.shape[0];
    const std::int64_t width = args.x.shape[1];
    check.require(width > 0, ErrorCode::shape_mismatch, "rows of x are empty");
    check.input("x", args.x, {rows, width});
    check.input("gamma", args.gamma, {width});
    check.input("mean", args.mean, {rows});
    check.input("rstd", args.rstd, {rows});
    check.layer_input("grad_y", args.grad_y, {rows, width});
    check.optional_input("residual", args.residual, {rows, width});
    if (args.grad_x.data != nullptr)
        check.output("grad_x", args.grad_x, {rows, width}, "residual");
    check.optional_output("grad_gamma", args.grad_gamma, {width});
    check.optional_output("grad_beta", args.grad_beta, {width});
    check.overlaps();
    if (rows > 0)
        backend.layer_norm_backward(args);
}

} // namespace clip::ops

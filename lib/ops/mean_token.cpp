// SPDX-License-Identifier: MIT
#include "ops/mean_token.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void mean_token(Backend& backend, const MeanTokenArgs& args) {
    ArgumentCheck check("mean token", backend);
    check.rank("x", args.x, 3);
    const Shape& x = args.x.shape;
    check.require(x[1] > 0, ErrorCode::shape_mismatch, "x has no places");
    check.layer_input("x", args.x, x);
    check.input("positions", args.positions, {x[1] + 1, x[2]});
    check.layer_output("y", args.y, {x[0], x[1] + 1, x[2]});
    check.overlaps();
    if (args.y.numel() > 0)
        backend.mean_token(args);
}

void mean_token_backward(Backend& backend, const MeanTokenBackwardArgs& args) {
    ArgumentCheck check("mean token backward", backend);
    check.rank("grad_y", args.grad_y, 3);
    const Shape& y = args.grad_y.shape;
    check.require(y[1] > 1, ErrorCode::shape_mismatch, "grad_y has no places but the mean");
    check.input("grad_y", args.grad_y, y);
    if (args.grad_x.data != nullptr)
        check.output("grad_x", args.grad_x, {y[0], y[1] - 1, y[2]});
    check.optional_output("grad_positions", args.grad_positions, {y[1], y[2]});
    check.overlaps();
    if (args.grad_y.numel() > 0)
        backend.mean_token_backward(args);
}

} // namespace clip::ops

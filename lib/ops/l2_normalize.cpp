// SPDX-License-Identifier: MIT
#include "ops/l2_normalize.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void l2_normalize(Backend& backend, const L2NormalizeArgs& args) {
    ArgumentCheck check("l2 normalize", backend);
    check.rank("x", args.x, 2);
    const Shape& x = args.x.shape;
    check.require(x[1] > 0, ErrorCode::shape_mismatch, "rows of x are empty");
    check.input("x", args.x, x);
    check.output("y", args.y, x, "x");
    check.optional_output("norms", args.norms, {x[0]});
    check.overlaps();
    if (x[0] > 0)
        backend.l2_normalize(args);
}

void l2_normalize_backward(Backend& backend, const L2NormalizeBackwardArgs& args) {
    ArgumentCheck check("l2 normalize backward", backend);
    check.rank("y", args.y, 2);
    const Shape& shape = args.y.shape;
    check.input("y", args.y, shape);
    check.input("norms", args.norms, {shape[0]});
    check.input("grad_y", args.grad_y, shape);
    check.output("grad_x", args.grad_x, shape, "grad_y");
    check.overlaps();
    if (args.y.numel() > 0)
        backend.l2_normalize_backward(args);
}

} // namespace clip::ops

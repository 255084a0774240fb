// SPDX-License-Identifier: MIT
#include "ops/softmax.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void softmax(Backend& backend, const SoftmaxArgs& args) {
    ArgumentCheck check("softmax", backend);
    check.rank("x", args.x, 2);
    const Shape& x = args.x.shape;
    check.require(x[1] > 0, ErrorCode::shape_mismatch, "rows of x are empty");
    check.input("x", args.x, x);
    check.output("y", args.y, x, "x");
    check.overlaps();
    if (x[0] > 0)
        backend.softmax(args);
}

} // namespace clip::ops

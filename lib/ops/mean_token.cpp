// SPDX-License-Identifier: MIT
#include "ops/mean_token.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void mean_token(Backend& backend, const MeanTokenArgs& args) {
    ArgumentCheck check("mean token", backend);
    check.rank("x", args.x, 3);
    const Shape& x = args.x.shape;
    check.require(x[1] > 0, ErrorCode::shape_mismatch, "x has no places");
    check.input("x", args.x, x);
    check.input("positions", args.positions, {x[1] + 1, x[2]});
    check.output("y", args.y, {x[0], x[1] + 1, x[2]});
    check.overlaps();
    if (args.y.numel() > 0)
        backend.mean_token(args);
}

} // namespace clip::ops

// SPDX-License-Identifier: MIT
#include "ops/transpose.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void transpose(Backend& backend, const TransposeArgs& args) {
    ArgumentCheck check("transpose", backend);
    check.rank("x", args.x, 2);
    const Shape& x = args.x.shape;
    check.input("x", args.x, x);
    check.output("y", args.y, {x[1], x[0]});
    check.overlaps();
    if (args.x.numel() > 0)
        backend.transpose(args);
}

} // namespace clip::ops

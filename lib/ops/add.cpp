// SPDX-License-Identifier: MIT
#include "ops/add.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void add(Backend& backend, const AddArgs& args) {
    ArgumentCheck check("add", backend);
    check.input("x", args.x, args.x.shape);
    check.output("y", args.y, args.x.shape);
    check.overlaps();
    if (args.x.numel() > 0)
        backend.add(args);
}

void blend(Backend& backend, const BlendArgs& args) {
    ArgumentCheck check("blend", backend);
    check.input("x", args.x, args.x.shape);
    check.output("y", args.y, args.x.shape);
    check.overlaps();
    if (args.x.numel() > 0)
        backend.blend(args);
}

} // namespace clip::ops

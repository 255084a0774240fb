// SPDX-License-Identifier: MIT
#include "ops/activation.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void activation(Backend& backend, const ActivationArgs& args) {
    ArgumentCheck check("activation", backend);
    check.rank("x", args.x, 2);
    check.input("x", args.x, args.x.shape);
    check.output("y", args.y, args.x.shape, "x");
    check.overlaps();
    if (args.x.numel() > 0)
        backend.activation(args);
}

void activation_backward(Backend& backend, const ActivationBackwardArgs& args) {
    ArgumentCheck check("activation backward", backend);
    check.rank("x", args.x, 2);
    check.input("x", args.x, args.x.shape);
    check.input("grad_y", args.grad_y, args.x.shape);
    check.output("grad_x", args.grad_x, args.x.shape, "grad_y");
    check.overlaps();
    if (args.x.numel() > 0)
        backend.activation_backward(args);
}

} // namespace clip::ops

// SPDX-License-Identifier: MIT
#include "ops/avg_pool.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void avg_pool(Backend& backend, const AvgPoolArgs& args) {
    ArgumentCheck check("avg pool", backend);
    check.rank("x", args.x, 4);
    const Shape& x = args.x.shape;
    const std::int64_t window = args.window;
    check.require(window >= 1 && window <= x[1] && window <= x[2], ErrorCode::invalid_argument,
                  "the window is not in 1 to the picture's sides");
    check.layer_input("x", args.x, x);
    check.output_of(args.x.dtype, "y", args.y, {x[0], x[1] / window, x[2] / window, x[3]});
    check.overlaps();
    if (args.y.numel() > 0)
        backend.avg_pool(args);
}

void avg_pool_backward(Backend& backend, const AvgPoolBackwardArgs& args) {
    ArgumentCheck check("avg pool backward", backend);
    check.rank("grad_x", args.grad_x, 4);
    const Shape& x = args.grad_x.shape;
    const std::int64_t window = args.window;
    check.require(window >= 1 && window <= x[1] && window <= x[2], ErrorCode::invalid_argument,
                  "the window is not in 1 to the picture's sides");
    check.input("grad_y", args.grad_y, {x[0], x[1] / window, x[2] / window, x[3]});
    check.output("grad_x", args.grad_x, x);
    check.overlaps();
    if (args.grad_x.numel() > 0)
        backend.avg_pool_backward(args);
}

} // namespace clip::ops

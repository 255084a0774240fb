// SPDX-License-Identifier: MIT
#include "ops/gather_rows.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void gather_rows(Backend& backend, const GatherRowsArgs& args) {
    ArgumentCheck check("gather rows", backend);
    check.rank("x", args.x, 2);
    const auto rows = static_cast<std::int64_t>(args.rows.size());
    const std::int64_t width = args.x.shape[1];
    check.layer_input("x", args.x, args.x.shape);
    check.memory("rows", args.rows.data(), args.rows.size_bytes(), alignof(std::int64_t), false);
    check.indices("rows", args.rows, args.x.shape[0]);
    check.output_of(args.x.dtype, "y", args.y, {rows, width});
    check.overlaps();
    if (rows > 0 && width > 0)
        backend.gather_rows(args);
}

void scatter_add_rows(Backend& backend, const ScatterAddRowsArgs& args) {
    ArgumentCheck check("scatter add rows", backend);
    check.rank("y", args.y, 2);
    const auto rows = static_cast<std::int64_t>(args.rows.size());
    const Shape& shape = args.y.shape;
    check.layer_input("x", args.x, {rows, shape[1]});
    check.memory("rows", args.rows.data(), args.rows.size_bytes(), alignof(std::int64_t), false);
    check.indices("rows", args.rows, shape[0]);
    check.output_of(args.x.dtype, "y", args.y, shape);
    check.overlaps();
    if (args.x.numel() > 0)
        backend.scatter_add_rows(args);
}

void gather_rows_backward(Backend& backend, const GatherRowsBackwardArgs& args) {
    ArgumentCheck check("gather rows backward", backend);
    check.rank("grad_x", args.grad_x, 2);
    const auto rows = static_cast<std::int64_t>(args.rows.size());
    const Shape& shape = args.grad_x.shape;
    check.input("grad_y", args.grad_y, {rows, shape[1]});
    check.memory("rows", args.rows.data(), args.rows.size_bytes(), alignof(std::int64_t), false);
    check.indices("rows", args.rows, shape[0]);
    check.output("grad_x", args.grad_x, shape);
    check.overlaps();
    if (args.grad_x.numel() > 0)
        backend.gather_rows_backward(args);
}

} // namespace clip::ops

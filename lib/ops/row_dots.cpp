// SPDX-License-Identifier: MIT
#include "ops/row_dots.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void row_dots(Backend& backend, const RowDotsArgs& args) {
    ArgumentCheck check("row dots", backend);
    check.rank("x", args.x, 2);
    const Shape& x = args.x.shape;
    check.input("x", args.x, x);
    check.input("y", args.y, x);
    check.require(args.dots.size() == static_cast<std::size_t>(x[0]), ErrorCode::shape_mismatch,
                  "dots does not hold one for each row");
    check.memory("dots", args.dots.data(), args.dots.size_bytes(), alignof(double), true);
    check.overlaps();
    if (x[0] > 0)
        backend.row_dots(args);
}

} // namespace clip::ops

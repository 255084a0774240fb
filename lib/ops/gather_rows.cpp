// SPDX-License-Identifier: MIT
#include "ops/gather_rows.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void gather_rows(Backend& backend, const GatherRowsArgs& args) {
    ArgumentCheck check("gather rows", backend);
    check.rank("x", args.x, 2);
    const auto rows = static_cast<std::int64_t>(args.rows.size());
    const std::int64_t width = args.x.shape[1];
    check.input("x", args.x, args.x.shape);
    check.memory("rows", args.rows.data(), args.rows.size_bytes(), alignof(std::int64_t), false);
    check.indices("rows", args.rows, args.x.shape[0]);
    check.output("y", args.y, {rows, width});
    check.overlaps();
    if (rows > 0 && width > 0)
        backend.gather_rows(args);
}

} // namespace clip::ops

// SPDX-License-Identifier: MIT
#include "ops/exact_dots.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void exact_dots(Backend& backend, const ExactDotsArgs& args) {
    ArgumentCheck check("exact_dots", backend);
    check.rank("rows", args.rows, 2);
    const std::int64_t rows = args.rows.shape[0], width = args.rows.shape[1];
    check.require(width > 0, ErrorCode::shape_mismatch, "rows are empty");
    check.rows_to_search("rows", args.rows);
    check.optional_input("queries", args.queries, {args.queries.shape[0], width});
    const std::int64_t queries = args.queries.empty() ? 0 : args.queries.shape[0];
    check.require(static_cast<std::int64_t>(args.dots.size()) == rows * queries,
                  ErrorCode::shape_mismatch, "dots must have an element for each row and query");
    check.require(args.norms2.empty() || static_cast<std::int64_t>(args.norms2.size()) == rows,
                  ErrorCode::shape_mismatch, "norms2 must have an element for each row");
    check.memory("dots", args.dots.data(), args.dots.size_bytes(), alignof(double), true);
    check.memory("norms2", args.norms2.data(), args.norms2.size_bytes(), alignof(double), true);
    check.overlaps();
    if (rows > 0)
        backend.exact_dots(args);
}

} // namespace clip::ops

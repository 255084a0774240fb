// SPDX-License-Identifier: MIT
#include "ops/screen.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

std::unique_ptr<PreparedScreen> prepare_screen(Backend& backend, const ConstView& queries) {
    ArgumentCheck check("prepare_screen", backend);
    check.rank("queries", queries, 2);
    check.require(queries.shape[0] > 0 && queries.shape[1] > 0, ErrorCode::shape_mismatch,
                  "there are no queries");
    check.input("queries", queries, queries.shape);
    return backend.prepare_screen(queries);
}

void screen(Backend& backend, const ScreenArgs& args) {
    ArgumentCheck check("screen", backend);
    check.require(args.queries != nullptr && args.pairs != nullptr, ErrorCode::invalid_argument,
                  "queries or pairs are missing");
    check.rank("rows", args.rows, 2);
    check.require(args.rows.shape[1] == args.queries->width(), ErrorCode::shape_mismatch,
                  "rows and queries differ in width");
    check.rows_to_search("rows", args.rows);
    check.require(static_cast<std::int64_t>(args.inverse_norms.size()) == args.rows.shape[0],
                  ErrorCode::shape_mismatch, "inverse_norms must have an element for each row");
    check.require(static_cast<std::int64_t>(args.limits.size()) == args.queries->queries(),
                  ErrorCode::shape_mismatch, "limits must have an element for each query");
    if (args.rows.shape[0] > 0)
        backend.screen(args);
}

} // namespace clip::ops

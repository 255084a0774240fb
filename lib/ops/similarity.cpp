// SPDX-License-Identifier: MIT
#include "ops/similarity.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void similarity(Backend& backend, const SimilarityArgs& args) {
    ArgumentCheck check("similarity", backend);
    check.rank("a", args.a, 2);
    check.rank("b", args.b, 2);
    const std::int64_t width = args.a.shape[1];
    check.require(width > 0, ErrorCode::shape_mismatch, "rows of a are empty");
    check.input("a", args.a, args.a.shape);
    check.input("b", args.b, {args.b.shape[0], width});
    check.output("y", args.y, {args.a.shape[0], args.b.shape[0]});
    check.overlaps();
    if (args.y.numel() > 0)
        backend.similarity(args);
}

} // namespace clip::ops

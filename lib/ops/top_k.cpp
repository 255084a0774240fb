// SPDX-License-Identifier: MIT
#include "ops/top_k.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void top_k(Backend& backend, const TopKArgs& args) {
    ArgumentCheck check("top k", backend);
    check.rank("x", args.x, 2);
    const Shape& x = args.x.shape;
    check.require(args.k >= 1 && args.k <= x[1], ErrorCode::invalid_argument,
                  "k is not in 1 to the number of columns");
    check.input("x", args.x, x);
    check.output("values", args.values, {x[0], args.k});
    check.require(args.indices.size() == static_cast<std::size_t>(x[0] * args.k),
                  ErrorCode::shape_mismatch, "indices does not hold k for each row");
    check.memory("indices", args.indices.data(), args.indices.size_bytes(), alignof(std::int64_t),
                 true);
    check.overlaps();
    if (x[0] > 0)
        backend.top_k(args);
}

} // namespace clip::ops

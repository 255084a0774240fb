// SPDX-License-Identifier: MIT
#include "ops/similarity_top_k.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void similarity_top_k(Backend& backend, const SimilarityTopKArgs& args) {
    ArgumentCheck check("similarity top k", backend);
    check.rank("queries", args.queries, 2);
    check.rank("rows", args.rows, 2);
    const std::int64_t queries = args.queries.shape[0], width = args.queries.shape[1];
    const std::int64_t rows = args.rows.shape[0];
    check.require(args.k >= 1 && args.k <= rows, ErrorCode::invalid_argument,
                  "k is not in 1 to the number of rows");
    check.input("queries", args.queries, {queries, width});
    check.input("rows", args.rows, {rows, width});
    check.output("values", args.values, {queries, args.k});
    check.require(args.indices.size() == static_cast<std::size_t>(queries * args.k),
                  ErrorCode::shape_mismatch, "indices does not hold k for each query");
    check.memory("indices", args.indices.data(), args.indices.size_bytes(), alignof(std::int64_t),
                 true);
    check.overlaps();
    if (queries > 0)
        backend.similarity_top_k(args);
}

} // namespace clip::ops

// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

#include "backend/backend.hpp"
#include "tensor/tensor.hpp"

namespace clip::ref {

/// similarity and then top_k of a backend on the host, for some queries at a time: what is kept of
/// the similarities stays within a processor's caches, or is one query's.
template <typename Ops>
void similarity_top_k(Ops& ops, const SimilarityTopKArgs& args) {
    constexpr std::int64_t kElements = std::int64_t{1} << 20;
    const std::int64_t queries = args.queries.shape[0], width = args.queries.shape[1];
    const std::int64_t rows = args.rows.shape[0];
    const std::int64_t step = std::clamp<std::int64_t>(kElements / rows, 1, queries);
    Tensor scores(Shape{step * rows});
    for (std::int64_t first = 0; first < queries; first += step) {
        const std::int64_t count = std::min(step, queries - first);
        const MutView part = part_of(scores.view(), 0, Shape{count, rows});
        ops.similarity({.a = part_of(args.queries, first * width, Shape{count, width}),
                        .b = args.rows,
                        .scale = args.scale,
                        .y = part});
        ops.top_k({.x = part,
                   .k = args.k,
                   .values = part_of(args.values, first * args.k, Shape{count, args.k}),
                   .indices = args.indices.subspan(static_cast<std::size_t>(first * args.k),
                                                   static_cast<std::size_t>(count * args.k))});
    }
}

} // namespace clip::ref

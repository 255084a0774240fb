// SPDX-License-Identifier: MIT
#include "backend/cuda/attention_plan.hpp"

#include <algorithm>
#include <cstddef>

namespace clip::cuda {

namespace {

/// The others that row `i` needs: [first, end).
struct Range {
    std::int64_t first, end;
};
Range others_of(std::int64_t i, std::int64_t queries, std::int64_t keys,
                const AttentionPlanOptions& options) {
    if (options.side == AttentionSide::queries)
        return {0, options.causal ? i + keys - queries + 1 : keys};
    return {options.causal ? std::max<std::int64_t>(0, i - (keys - queries)) : 0, queries};
}

} // namespace

AttentionPlan plan_attention(std::span<const std::int64_t> q_offsets,
                             std::span<const std::int64_t> k_offsets,
                             const AttentionPlanOptions& options) {
    AttentionPlan plan;
    const bool by_keys = options.side == AttentionSide::keys;
    for (std::size_t n = 0; n + 1 < q_offsets.size(); ++n) {
        const std::int64_t queries = q_offsets[n + 1] - q_offsets[n];
        const std::int64_t keys = k_offsets[n + 1] - k_offsets[n];
        const std::int64_t rows = by_keys ? keys : queries;
        if (options.tile == 0 || (options.single_rows && queries == 1)) {
            for (std::int64_t i = 0; i < rows; ++i) {
                const Range others = others_of(i, queries, keys, options);
                plan.rows.push_back({(by_keys ? k_offsets[n] : q_offsets[n]) + i,
                                     (by_keys ? q_offsets[n] : k_offsets[n]) + others.first,
                                     others.end - others.first, 0});
            }
            continue;
        }
        for (std::int64_t first = 0; first < rows; first += options.tile) {
            plan.tiles.push_back({q_offsets[n], k_offsets[n], static_cast<std::int32_t>(queries),
                                  static_cast<std::int32_t>(keys), static_cast<std::int32_t>(first),
                                  0});
            const std::int64_t last = std::min(first + options.tile, rows) - 1;
            const Range others = by_keys ? others_of(first, queries, keys, options)
                                         : others_of(last, queries, keys, options);
            plan.most_others = std::max(plan.most_others, others.end - others.first);
        }
    }
    const auto cost = [&](const AttentionTile& tile) {
        const std::int64_t rows = by_keys ? tile.keys : tile.queries;
        const std::int64_t row =
            by_keys ? tile.first : std::min<std::int64_t>(tile.first + options.tile, rows) - 1;
        const Range others = others_of(row, tile.queries, tile.keys, options);
        return others.end - others.first;
    };
    std::stable_sort(
        plan.tiles.begin(), plan.tiles.end(),
        [&](const AttentionTile& a, const AttentionTile& b) { return cost(a) > cost(b); });
    return plan;
}

} // namespace clip::cuda

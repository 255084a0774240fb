// SPDX-License-Identifier: MIT
// All parameters of a model as one list of pieces, so that one launch goes over all of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/cuda/context.hpp"
#include "backend/cuda/piece_search.hpp"
#include "backend/cuda/quad.hpp"
#include "backend/train_args.hpp"

namespace clip::cuda {

/// One parameter on the device; 64 bytes, aligned to them.
struct alignas(64) TableEntry {
    float* weight;
    const float* grad;
    float* mean;
    float* square;
    std::int64_t count;
    std::int64_t first_piece; ///< pieces of the entries before it
    std::int32_t decays;      ///< 0 or 1
    std::int32_t aligned;     ///< 0 or 1: all four begin at multiples of 16 bytes
    std::int64_t unused = 0;
};

struct ParameterTable {
    Global<const TableEntry> entries; // (count); none is without elements
    std::int64_t count = 0, pieces = 0;
};

/// The table of `parameters` cut into pieces of `piece` elements. It is uploaded only where it is
/// not the one of the last step: SpanCache knows it again.
inline ParameterTable parameter_table(Context& context, std::span<const AdamWParameter> parameters,
                                      std::int64_t piece) {
    std::vector<TableEntry> entries;
    std::int64_t pieces = 0;
    for (const AdamWParameter& each : parameters) {
        if (each.count == 0)
            continue;
        const bool aligned = fits_quads(0, each.weight, each.grad, each.mean, each.square);
        entries.push_back({each.weight, each.grad, each.mean, each.square, each.count, pieces,
                           each.decays ? 1 : 0, aligned ? 1 : 0});
        pieces += (each.count + piece - 1) / piece;
    }
    const auto count = static_cast<std::int64_t>(entries.size());
    if (count == 0)
        return {};
    return {context.on_device(std::span<const TableEntry>(entries)), count, pieces};
}

/// The entry that has this piece.
CLIP_DEVICE TableEntry entry_of(const ParameterTable& table, std::int64_t piece) {
    return entry_of(table.entries, table.count, piece);
}

} // namespace clip::cuda

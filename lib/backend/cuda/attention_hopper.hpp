// SPDX-License-Identifier: MIT
// Attention by the instructions of sm_90a, for attention.cu to choose.
#pragma once

#include "backend/cuda/attention_plan.hpp"
#include "backend/cuda/context.hpp"
#include "backend/op_args.hpp"

namespace clip::cuda {

/// Queries of a tile, for the plan.
inline constexpr int kHopperQueries = 64;

/// Whether the device, the type, the heads' width and the alignment are fit for it; the same for
/// every batch of a tower.
bool takes_attention_hopper(const Context& context, const AttentionArgs& args);

/// The plan's tiles; its rows are left to others.
void launch_attention_hopper(Context& context, const AttentionArgs& args,
                             const AttentionPlan& plan);

} // namespace clip::cuda

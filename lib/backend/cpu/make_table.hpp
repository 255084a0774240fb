// SPDX-License-Identifier: MIT
// All kernels of this folder for the instruction set whose vec_*.hpp was included before, and the
// table of them.
#pragma once

// The order matters: each uses names of those before it.
// clang-format off
#include "backend/cpu/vec_math.hpp"
#include "backend/cpu/tile_kernels.hpp"
#include "backend/cpu/pack_kernels.hpp"
#include "backend/cpu/row_kernels.hpp"
#include "backend/cpu/attention_kernels.hpp"
#include "backend/cpu/search_kernels.hpp"
#include "backend/cpu/attention_backward_kernels.hpp"
// clang-format on

namespace clip::cpu {
namespace {

constexpr KernelTable kTable = {
    .panel = kPanel,
    .max_rows = kMaxRows,
    .pair_rows = kPairRows,
    .tile = tile,
    .tile_pair = tile_pair,
    .finish = finish,
    .finish_backward = finish_backward,
    .pack_rows = pack_rows,
    .pack_columns = pack_columns,
    .pack_panel = pack_panel,
    .expand_panel = expand_panel,
    .max_abs = max_abs,
    .packed_keys_size = packed_keys_size,
    .packed_values_size = packed_values_size,
    .attention_scratch = attention_scratch,
    .pack_keys = pack_keys,
    .pack_values = pack_values,
    .attention = attention,
    .attention_backward_scratch = attention_backward_scratch,
    .attention_backward = attention_backward,
    .layer_norm = layer_norm,
    .l2_normalize = l2_normalize,
    .softmax = softmax,
    .exact_dots = exact_dots,
    .widen_halves = widen_halves,
    .quantize_row = quantize_row,
    .scan_estimates = scan_estimates,
    .layer_norm_backward = layer_norm_backward,
    .activation = activation,
    .add_exponentials = add_exponentials,
    .contrastive_gradient = contrastive_gradient,
};
static_assert(kMaxRows <= kMostRows && kPanel <= kMostPanel);

} // namespace
} // namespace clip::cpu

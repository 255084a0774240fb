// SPDX-License-Identifier: MIT
// grad_rows = weights columns in float32, by three TF32 products of split operands:
// product_tile.hpp with the right operand as it lies, depth first.
//
// Cost: 6 R C E FLOP of TF32. 256 rows and columns, E = 512 (ViT-B/32): 0.2 GFLOP, 32 blocks of 8
// stages, some 8 us; E = 768 (ViT-L/14): 48 blocks, the same.
#include "backend/cuda/score_gradient.hpp"

#include "backend/cuda/score_tiles.hpp"

namespace clip::cuda {

/// Grid: tile_grid. Shared memory: kTileSharedBytes. `pairs`: as in write_tile.
static CLIP_KERNEL(kTileThreads, 3) void multiply_columns_kernel(Global<float> grad_rows, // (R, E)
                                                                 TileOperands of, bool adds,
                                                                 bool pairs) {
    const std::int64_t row = tile_row(of), column = tile_column(of);
    const TileSums sums = product_tile<RightSide::columns>(of, row, column);
    write_tile(grad_rows, sums, of, row, column, 1, adds, pairs);
}

void multiply_columns(Context& context, float* grad_rows, const float* weights, std::int64_t rows,
                      const ConstView& columns, bool adds) {
    TileOperands of;
    of.a = weights;
    of.b = columns.f32();
    of.rows = rows;
    of.depth = columns.shape[0];
    of.columns = of.b_stride = columns.shape[1];
    of.a_stride = kPartColumns;
    of.aligned = is_aligned(columns.data, of.b_stride);
    context.launch("multiply_columns", multiply_columns_kernel, tile_grid(of), grad_rows, of, adds,
                   takes_pairs(grad_rows, of.columns));
}

} // namespace clip::cuda

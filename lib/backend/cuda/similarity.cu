// SPDX-License-Identifier: MIT
// y = scale * a b^T in float32, by three TF32 products of split operands (split_tf32.hpp).
//
// A block has a tile of (64, 64): see product_tile.hpp. Rows that are not aligned to 16 bytes come
// by plain loads instead of asynchronous copies; the sums are the same.
//
// Cost: 6 N C E FLOP of TF32, 4 (N + C) E bytes read by the tiles beside each other and 4 N C
// written. 256 pictures and 1000 labels, E = 512 (ViT-B/32): 0.8 GFLOP, 3 MB read, 1 MB written;
// E = 768 (ViT-L/14): 1.2 GFLOP. Either takes some 15 us, of which most is the latency of one tile.
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/score_tiles.hpp"

namespace clip::cuda {

/// Grid: tile_grid. Shared memory: kTileSharedBytes. `pairs`: y may be written two at a time.
static CLIP_KERNEL(kTileThreads, 3) void similarity_kernel(Global<float> y, // (rows, columns)
                                                           TileOperands of, float scale,
                                                           bool pairs) {
    const std::int64_t row = tile_row(of), column = tile_column(of);
    const TileSums sums = product_tile<RightSide::rows>(of, row, column);
    write_tile(y, sums, of, row, column, scale, false, pairs);
}

static void launch_similarity(Context& context, const SimilarityArgs& args) {
    const TileOperands of = score_operands(args.a, args.b);
    context.launch("similarity", similarity_kernel, tile_grid(of), args.y.f32(), of, args.scale,
                   takes_pairs(args.y.data, of.columns));
}

void CudaBackend::similarity(const SimilarityArgs& args) {
    launch_similarity(context_, args);
}

} // namespace clip::cuda

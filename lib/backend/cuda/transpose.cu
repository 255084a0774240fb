// SPDX-License-Identifier: MIT
// y = x^T or y += x^T, by tiles in shared memory, so that both matrices are touched along their
// rows.
//
// Cost. Memory bound, 8 bytes an element (12 where it adds): the projection (768, 512) 3 MB, a
// launch's latency, 4 us.
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/row_grid.hpp"

namespace clip::cuda {

namespace {

constexpr int kTile = 32;
constexpr int kWarps = 8; ///< each takes every eighth row of a tile
constexpr int kThreads = kWarps * kWarpSize;
/// One element more than a row has: a column of the tile then lies in all 32 banks.
constexpr int kPitch = kTile + 1;

// Grid: a block a tile, `row_tiles` of them along the rows of x (R), then along its columns (C).
// Shapes: y (C, R); x (R, C). Shared memory: kTile * kPitch floats.
CLIP_KERNEL(kThreads, 6)
void transpose_kernel(Global<float> y, Global<const float> x, std::int64_t rows,
                      std::int64_t columns, unsigned row_tiles, bool adds) {
    const Shared<float> tile = shared_memory<float>(0);
    const std::int64_t row =
        static_cast<std::int64_t>(static_cast<unsigned>(block_x()) % row_tiles) * kTile;
    const std::int64_t column =
        static_cast<std::int64_t>(static_cast<unsigned>(block_x()) / row_tiles) * kTile;
    for (int i = warp(); i < kTile; i += kWarps)
        if (row + i < rows && column + lane() < columns) {
            const float value = x[(row + i) * columns + column + lane()];
            tile[i * kPitch + lane()] = value;
        }
    block_barrier();
    for (int i = warp(); i < kTile; i += kWarps)
        if (column + i < columns && row + lane() < rows) {
            const float value = tile[lane() * kPitch + i];
            const std::int64_t at = (column + i) * rows + row + lane();
            if (adds)
                y[at] += value;
            else
                y[at] = value;
        }
}

} // namespace

void CudaBackend::transpose(const TransposeArgs& args) {
    const std::int64_t rows = args.x.shape[0], columns = args.x.shape[1];
    const unsigned row_tiles = blocks_for(rows, kTile);
    context_.launch("transpose", transpose_kernel,
                    {.grid = {row_tiles * blocks_for(columns, kTile)},
                     .block = {kThreads},
                     .shared_bytes = kTile * kPitch * sizeof(float)},
                    args.y.f32(), args.x.f32(), rows, columns, row_tiles, args.add);
}

} // namespace clip::cuda

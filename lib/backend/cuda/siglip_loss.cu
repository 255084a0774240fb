// SPDX-License-Identifier: MIT
// The pairwise sigmoid loss (Zhai et al. 2023, arXiv:2303.15343, alg. 1), by rows and in parts: of
// each score that a tile of (64, 64) makes, the loss and the gradient's weight. Sums over 64
// columns are left for a warp a row to add up; weights go to score_gradient.hpp where the gradient
// is wanted.
//
// Cost: 6 R N E FLOP of TF32, with the gradient 12; 256 pairs, E = 512 or 768: as
// contrastive_loss.cu backward, some 20 us and 26 us.
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/score_gradient.hpp"
#include "backend/cuda/score_tiles.hpp"

namespace clip::cuda {

namespace {

constexpr int kMergeThreads = 256; // 8 rows a block

/// What siglip_tiles_kernel is given.
struct SiglipTiles {
    TileOperands of;
    Global<float> weights;  ///< (rows, columns), rows kPartColumns apart, or null
    Global<float> parts;    ///< (rows, tiles, 2): loss and gradient by bias
    std::int64_t tiles = 0; ///< of all columns
    std::int64_t tile = 0;  ///< which of them these columns begin with
    std::int64_t first = 0; ///< column of row 0 among these, may be outside
    float scale = 1, bias = 0, weight = 1;
};

/// log(1 + e) for e in [0, 1], to a few ulp of the result: 1 + e is rounded, and what is lost there
/// comes back by the quotient (Goldberg 1991, theorem 4).
CLIP_DEVICE float log_of_one_and(float e) {
    const float rounded = 1.0F + e;
    return rounded == 1.0F ? e : log(rounded) * (e / (rounded - 1.0F));
}

} // namespace

/// Grid: tile_grid. Shared memory: kTileSharedBytes, after the product for the halves of rows. Sums
/// of 8 scores a thread, 4 threads, 2 warps, always in this order. Weights are written as by
/// contrastive_weights_kernel.
static CLIP_KERNEL(kTileThreads, 3) void siglip_tiles_kernel(SiglipTiles args) {
    const TileOperands& of = args.of;
    const std::int64_t row = tile_row(of), column = tile_column(of);
    const TileSums sums = product_tile<RightSide::rows>(of, row, column);
    const auto halves = shared_memory<float>(0); // (2, kTile, 2)
    CLIP_UNROLL
    for (int m = 0; m < 2; ++m)
        CLIP_UNROLL
    for (int half = 0; half < 2; ++half) {
        const int at = TileSums::row(m, 2 * half);
        const std::int64_t r = row + at;
        float loss = 0, slope = 0;
        CLIP_UNROLL
        for (int n = 0; n < 4; ++n) {
            const std::int64_t c = column + TileSums::column(n, 0);
            Vec<float, 2> out{};
            CLIP_UNROLL
            for (int j = 0; j < 2; ++j) {
                if (c + j >= of.columns)
                    continue;
                const float z = c + j == args.first + r ? 1.0F : -1.0F;
                const float away = -z * (args.scale * sums.at[m][n][2 * half + j] + args.bias);
                const bool wrong = away > 0;
                const float e = exp(wrong ? -away : away); // at most 1
                loss += (wrong ? away : 0.0F) + log_of_one_and(e);
                const float g = -z * args.weight * ((wrong ? 1.0F : e) / (1.0F + e));
                slope += g;
                out.at[j] = g * args.scale;
            }
            if (!(args.weights == nullptr) && r < of.rows && c < of.columns)
                store(args.weights + r * kPartColumns + c, out);
        }
        CLIP_UNROLL
        for (int mask = 1; mask <= 2; mask *= 2) {
            loss += shuffle_xor(loss, mask);
            slope += shuffle_xor(slope, mask);
        }
        if (lane() % 4 == 0)
            store(halves + (warp() % 2 * kTile + at) * 2, Vec<float, 2>{{loss, slope}});
    }
    block_barrier();
    const int at = thread_x();
    if (at >= kTile || row + at >= of.rows)
        return;
    const Vec<float, 2> left = load<2>(halves + at * 2);
    const Vec<float, 2> right = load<2>(halves + (kTile + at) * 2);
    store(args.parts + ((row + at) * args.tiles + args.tile + column / kTile) * 2,
          Vec<float, 2>{{left.at[0] + right.at[0], left.at[1] + right.at[1]}});
}

/// Grid: a warp a row. Parts lane, lane + 32 and so on in order, then a tree of lanes.
static CLIP_KERNEL(kMergeThreads,
                   4) void siglip_merge_kernel(Global<float> loss,        // (rows)
                                               Global<float> grad_bias,   // (rows), or null
                                               Global<const float> parts, // (rows, tiles, 2)
                                               std::int64_t rows, std::int64_t tiles,
                                               float weight) {
    const std::int64_t row = std::int64_t{block_x()} * (kMergeThreads / kWarpSize) + warp();
    if (row >= rows)
        return;
    Vec<float, 2> own{};
    for (std::int64_t tile = lane(); tile < tiles; tile += kWarpSize) {
        const Vec<float, 2> part = load<2>(parts + (row * tiles + tile) * 2);
        own.at[0] += part.at[0];
        own.at[1] += part.at[1];
    }
    for (int mask = kWarpSize / 2; mask > 0; mask /= 2) {
        own.at[0] += shuffle_xor(own.at[0], mask);
        own.at[1] += shuffle_xor(own.at[1], mask);
    }
    if (lane() != 0)
        return;
    loss[row] = weight * own.at[0];
    if (!(grad_bias == nullptr))
        grad_bias[row] = own.at[1];
}

static void launch_siglip_rows(Context& context, const SiglipRowsArgs& args) {
    const std::int64_t width = args.rows.shape[1];
    const std::int64_t most_rows = std::min(kPartRows, args.rows.shape[0]);
    const std::int64_t tiles = tiles_of(args.columns.shape[0]);
    const bool has_gradient = !args.grad_rows.empty();
    Workspace::Scope scope(context.workspace());
    auto* parts = scope.take<float>(most_rows * tiles * 2);
    auto* weights = has_gradient ? scope.take<float>(most_rows * kPartColumns) : nullptr;
    for_row_parts(args.rows.shape[0], [&](std::int64_t row, std::int64_t rows) {
        for_column_parts(args.columns.shape[0], [&](std::int64_t column, std::int64_t columns) {
            const ConstView some = rows_of(args.columns, column, columns);
            SiglipTiles part;
            part.of = score_operands(rows_of(args.rows, row, rows), some);
            part.weights = weights;
            part.parts = parts;
            part.tiles = tiles;
            part.tile = column / kTile;
            part.first = args.first + row - column;
            part.scale = args.scale;
            part.bias = args.bias;
            part.weight = args.weight;
            context.launch("siglip_tiles", siglip_tiles_kernel, tile_grid(part.of), part);
            if (has_gradient)
                multiply_columns(context, args.grad_rows.f32() + row * width, weights, rows, some,
                                 column > 0);
        });
        constexpr std::int64_t kRows = kMergeThreads / kWarpSize;
        float* grad_bias = args.grad_bias.empty() ? nullptr : args.grad_bias.f32() + row;
        context.launch(
            "siglip_merge", siglip_merge_kernel,
            {.grid = {static_cast<unsigned>((rows + kRows - 1) / kRows)}, .block = {kMergeThreads}},
            args.loss.f32() + row, grad_bias, parts, rows, tiles, args.weight);
    });
}

void CudaBackend::siglip_rows(const SiglipRowsArgs& args) {
    launch_siglip_rows(context_, args);
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// Symmetric cross-entropy of scores (Radford et al. 2021, fig. 3), by rows and in parts: the scores
// of all pairs are never in memory.
//
// contrastive_rows: a block makes a tile of (64, 64) scores and leaves the largest and the sum of
// exponentials of each row's 64 (online softmax: Milakov and Gimelshein 2018, alg. 3); a warp a row
// merges these. contrastive_rows_backward: tiles again, of which each score becomes its weight in
// the gradient, times the columns (score_gradient.hpp).
//
// Cost: 6 R N E FLOP of TF32 forward, 12 R N E backward; 8 R N / 64 bytes of parts, 8 R N of
// weights within L2. 256 pairs, E = 512 (ViT-B/32), one side: 0.2 + 0.4 GFLOP, some 12 + 20 us,
// mostly the latency of a tile; E = 768 (ViT-L/14): 0.3 + 0.6 GFLOP, 17 + 26 us. 32,768 pairs, E =
// 768: 5 + 10 TFLOP, 33 + 66 ms at 150 TFLOP/s.
#include <limits>

#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/score_gradient.hpp"
#include "backend/cuda/score_tiles.hpp"

namespace clip::cuda {

namespace {

constexpr int kMergeThreads = 256; // 8 rows a block
constexpr float kNone = -std::numeric_limits<float>::infinity();

/// The largest of some numbers, or kNone, and the sum of their exponentials divided by its own.
struct Exponentials {
    float most = kNone, sum = 0;
};

/// Of both together. NaN is never the largest, and always in the sum.
CLIP_DEVICE Exponentials merged(const Exponentials& a, const Exponentials& b) {
    const float most = b.most > a.most ? b.most : a.most;
    const float of_a = a.most == most ? 1.0F : exp(a.most - most);
    const float of_b = b.most == most ? 1.0F : exp(b.most - most);
    return {most, a.sum * of_a + b.sum * of_b};
}

CLIP_DEVICE Exponentials shuffled(const Exponentials& own, int mask) {
    return {shuffle_xor(own.most, mask), shuffle_xor(own.sum, mask)};
}

/// What contrastive_tiles_kernel is given.
struct ContrastiveTiles {
    TileOperands of;
    Global<float> parts;  ///< (rows, tiles of columns, 2)
    Global<float> target; ///< (rows)
    std::int64_t first = 0;
    float scale = 1;
};

/// What contrastive_weights_kernel is given.
struct ContrastiveWeights {
    TileOperands of;
    Global<float> weights;                  ///< (rows, columns), rows kPartColumns apart
    Global<const float> row_log_sum_exp;    ///< (rows)
    Global<const float> column_log_sum_exp; ///< (columns)
    std::int64_t first = 0;                 ///< column of row 0 among these, may be outside
    float scale = 1, weight = 1;
};

} // namespace

/// Grid: tile_grid. Shared memory: kTileSharedBytes, after the product for the halves of rows. Sums
/// of 8 scores a thread, 4 threads, 2 warps, always in this order.
static CLIP_KERNEL(kTileThreads, 3) void contrastive_tiles_kernel(ContrastiveTiles args) {
    const TileOperands& of = args.of;
    const std::int64_t row = tile_row(of), column = tile_column(of);
    const TileSums sums = product_tile<RightSide::rows>(of, row, column);
    const auto halves = shared_memory<float>(0); // (2, kTile, 2)
    CLIP_UNROLL
    for (int m = 0; m < 2; ++m)
        CLIP_UNROLL
    for (int half = 0; half < 2; ++half) {
        const int at = TileSums::row(m, 2 * half);
        Exponentials own;
        CLIP_UNROLL
        for (int n = 0; n < 4; ++n)
            CLIP_UNROLL
        for (int i = 0; i < 2; ++i) {
            const std::int64_t c = column + TileSums::column(n, i);
            const float score = args.scale * sums.at[m][n][2 * half + i];
            if (c < of.columns && score > own.most)
                own.most = score;
            if (c < of.columns && row + at < of.rows && c == args.first + row + at)
                args.target[row + at] = score;
        }
        CLIP_UNROLL
        for (int mask = 1; mask <= 2; mask *= 2) {
            const float other = shuffle_xor(own.most, mask);
            own.most = other > own.most ? other : own.most;
        }
        const float base = own.most == kNone ? 0.0F : own.most; // e^-inf is 0, and no NaN
        CLIP_UNROLL
        for (int n = 0; n < 4; ++n)
            CLIP_UNROLL
        for (int i = 0; i < 2; ++i)
            if (column + TileSums::column(n, i) < of.columns)
                own.sum += exp(args.scale * sums.at[m][n][2 * half + i] - base);
        CLIP_UNROLL
        for (int mask = 1; mask <= 2; mask *= 2)
            own.sum += shuffle_xor(own.sum, mask);
        if (lane() % 4 == 0)
            store(halves + (warp() % 2 * kTile + at) * 2, Vec<float, 2>{{own.most, own.sum}});
    }
    block_barrier();
    const int at = thread_x();
    if (at >= kTile || row + at >= of.rows)
        return;
    const Vec<float, 2> left = load<2>(halves + at * 2);
    const Vec<float, 2> right = load<2>(halves + (kTile + at) * 2);
    const Exponentials both = merged({left.at[0], left.at[1]}, {right.at[0], right.at[1]});
    const std::int64_t tiles = (of.columns + kTile - 1) / kTile;
    store(args.parts + ((row + at) * tiles + column / kTile) * 2,
          Vec<float, 2>{{both.most, both.sum}});
}

/// Grid: a warp a row. Parts lane, lane + 32 and so on in order, then a tree of lanes.
static CLIP_KERNEL(kMergeThreads,
                   4) void contrastive_merge_kernel(Global<float> log_sum_exp, // (rows)
                                                    Global<const float> parts, // (rows, tiles, 2)
                                                    std::int64_t rows, std::int64_t tiles) {
    const std::int64_t row = std::int64_t{block_x()} * (kMergeThreads / kWarpSize) + warp();
    if (row >= rows)
        return;
    Exponentials own;
    for (std::int64_t tile = lane(); tile < tiles; tile += kWarpSize) {
        const Vec<float, 2> part = load<2>(parts + (row * tiles + tile) * 2);
        own = merged(own, {part.at[0], part.at[1]});
    }
    for (int mask = kWarpSize / 2; mask > 0; mask /= 2)
        own = merged(own, shuffled(own, mask));
    if (lane() == 0) // of nothing but -inf and NaN it is NaN, as by the formula
        log_sum_exp[row] = own.most == kNone ? kNone - kNone : own.most + log(own.sum);
}

/// Grid: tile_grid. Shared memory: kTileSharedBytes. Two weights are written at a time, which may
/// be one behind the last column, in memory that is there.
static CLIP_KERNEL(kTileThreads, 3) void contrastive_weights_kernel(ContrastiveWeights args) {
    const TileOperands& of = args.of;
    const std::int64_t row = tile_row(of), column = tile_column(of);
    const TileSums sums = product_tile<RightSide::rows>(of, row, column);
    const float factor = args.weight * args.scale;
    CLIP_UNROLL
    for (int m = 0; m < 2; ++m)
        CLIP_UNROLL
    for (int i = 0; i < 4; i += 2) {
        const std::int64_t r = row + TileSums::row(m, i);
        if (r >= of.rows)
            continue;
        const float of_row = args.row_log_sum_exp[r];
        CLIP_UNROLL
        for (int n = 0; n < 4; ++n) {
            const std::int64_t c = column + TileSums::column(n, i);
            Vec<float, 2> out{};
            CLIP_UNROLL
            for (int j = 0; j < 2; ++j) {
                if (c + j >= of.columns)
                    continue;
                const float score = args.scale * sums.at[m][n][i + j];
                const float of_column = args.column_log_sum_exp[c + j];
                const float own = c + j == args.first + r ? 2.0F : 0.0F;
                out.at[j] = factor * (exp(score - of_row) + exp(score - of_column) - own);
            }
            if (c < of.columns)
                store(args.weights + r * kPartColumns + c, out);
        }
    }
}

static void launch_contrastive_rows(Context& context, const ContrastiveRowsArgs& args) {
    const std::int64_t tiles = tiles_of(args.columns.shape[0]);
    Workspace::Scope scope(context.workspace());
    auto* parts = scope.take<float>(std::min(kPartRows, args.rows.shape[0]) * tiles * 2);
    for_row_parts(args.rows.shape[0], [&](std::int64_t row, std::int64_t rows) {
        ContrastiveTiles part;
        part.of = score_operands(rows_of(args.rows, row, rows), args.columns);
        part.parts = parts;
        part.target = args.target.f32() + row;
        part.first = args.first + row;
        part.scale = args.scale;
        context.launch("contrastive_tiles", contrastive_tiles_kernel, tile_grid(part.of), part);
        constexpr std::int64_t kRows = kMergeThreads / kWarpSize;
        context.launch(
            "contrastive_merge", contrastive_merge_kernel,
            {.grid = {static_cast<unsigned>((rows + kRows - 1) / kRows)}, .block = {kMergeThreads}},
            args.log_sum_exp.f32() + row, parts, rows, tiles);
    });
}

static void launch_contrastive_rows_backward(Context& context,
                                             const ContrastiveRowsBackwardArgs& args) {
    const std::int64_t width = args.rows.shape[1];
    Workspace::Scope scope(context.workspace());
    auto* weights = scope.take<float>(std::min(kPartRows, args.rows.shape[0]) * kPartColumns);
    for_row_parts(args.rows.shape[0], [&](std::int64_t row, std::int64_t rows) {
        for_column_parts(args.columns.shape[0], [&](std::int64_t column, std::int64_t columns) {
            const ConstView some = rows_of(args.columns, column, columns);
            ContrastiveWeights part;
            part.of = score_operands(rows_of(args.rows, row, rows), some);
            part.weights = weights;
            part.row_log_sum_exp = args.row_log_sum_exp.f32() + row;
            part.column_log_sum_exp = args.column_log_sum_exp.f32() + column;
            part.first = args.first + row - column;
            part.scale = args.scale;
            part.weight = args.weight;
            context.launch("contrastive_weights", contrastive_weights_kernel, tile_grid(part.of),
                           part);
            multiply_columns(context, args.grad_rows.f32() + row * width, weights, rows, some,
                             column > 0);
        });
    });
}

void CudaBackend::contrastive_rows(const ContrastiveRowsArgs& args) {
    launch_contrastive_rows(context_, args);
}

void CudaBackend::contrastive_rows_backward(const ContrastiveRowsBackwardArgs& args) {
    launch_contrastive_rows_backward(context_, args);
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// The k largest of scale * query . row of each query, without the scores in memory.
//
// k <= 32: a block has 64 queries and a slice of 2048 rows, tile by tile. Each query has a list of
// 96 keys in shared memory; a score below the k-th largest of what was sorted last is dropped in
// the register that it is in. A list with more than 32 is sorted by a warp and cut to k. The
// slices' lists are then merged, a block a query. Which rows come together does not matter: keys
// have one order (row_keys.hpp), and scores are similarity's, to the bit.
//
// k > 32: similarity and top_k, for as many queries at a time as 64 MiB hold the scores of.
//
// Cost: 6 Q C E FLOP of TF32; (Q + C) E 4 bytes, C E of them once for every 64 queries; 8 Q k
// C/2048 bytes of lists. 256 pictures, 1000 labels, E = 512, k = 5: 0.8 GFLOP, some 25 us, of which
// the latency of 16 tiles in a row is most; a million rows take 0.8 TFLOP, 5 ms at 150 TFLOP/s.
// Shared memory: 97 KiB, of the 99 that the smallest of GPUs have for a block; two blocks an SM on
// Hopper, one on A100.
#include <algorithm>

#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/score_tiles.hpp"
#include "backend/cuda/select_keys.hpp"
#include "base/error.hpp"

namespace clip::cuda {

namespace {

constexpr int kMostKept = 32;                // of k; what a list may hold before a tile comes
constexpr int kListKeys = kMostKept + kTile; // then it holds all that may come
constexpr std::int64_t kSliceRows = 2048;    // 32 tiles: lists are sorted 2 or 3 times a slice
constexpr std::int64_t kMostSlices = 65535;  // blocks along y
constexpr std::int64_t kScoreBytes = std::int64_t{64} << 20U;

constexpr int kListsAt = kTileSharedBytes;
constexpr int kThresholdsAt = kListsAt + kTile * kListKeys * static_cast<int>(sizeof(RowKey));
constexpr int kHeldAt = kThresholdsAt + kTile * static_cast<int>(sizeof(RowKey));
constexpr int kListsSharedBytes = kHeldAt + kTile * static_cast<int>(sizeof(int));

/// Lists of a query's slices, one after the other.
struct KeysOfLists {
    Global<const RowKey> keys;
    CLIP_DEVICE RowKey operator()(std::int64_t i) const { return keys[i]; }
};

/// By one warp.
CLIP_DEVICE void sort_list(Shared<RowKey> list, int held) {
    sort_keys(list, held, lane(), kWarpSize, WarpBarrier{});
}

} // namespace

/// Grid: (tiles of queries, slices of rows). Shared memory: kListsSharedBytes. Each query's list of
/// each slice is filled up with kNoKey.
static CLIP_KERNEL(kTileThreads,
                   2) void similarity_lists_kernel(Global<RowKey> lists, // (queries, slices, k)
                                                   TileOperands of, float scale, int k) {
    constexpr int kWarps = kTileThreads / kWarpSize;
    const auto keys = shared_memory<RowKey>(kListsAt);
    const auto thresholds = shared_memory<RowKey>(kThresholdsAt);
    const auto held = shared_memory<int>(kHeldAt);
    const std::int64_t query = std::int64_t{block_x()} * kTile;
    const std::int64_t begin = block_y() * kSliceRows;
    const std::int64_t end = min(begin + kSliceRows, of.columns);
    if (thread_x() < kTile) {
        held[thread_x()] = 0;
        thresholds[thread_x()] = kNoKey;
    }
    for (std::int64_t first = begin; first < end; first += kTile) {
        const TileSums sums = product_tile<RightSide::rows>(of, query, first);
        CLIP_UNROLL
        for (int m = 0; m < 2; ++m)
            CLIP_UNROLL
        for (int i = 0; i < 4; ++i) {
            const int row = TileSums::row(m, i);
            if (query + row >= of.rows)
                continue;
            const RowKey threshold = thresholds[row];
            CLIP_UNROLL
            for (int n = 0; n < 4; ++n) {
                const std::int64_t c = first + TileSums::column(n, i);
                const RowKey key = row_key(scale * sums.at[m][n][i], c);
                if (c < end && key > threshold)
                    keys[row * kListKeys + atomic_add(held + row, 1)] = key;
            }
        }
        block_barrier();
        for (int row = warp(); row < kTile; row += kWarps) {
            const int count = held[row];
            warp_barrier(); // all lanes have read it
            if (count <= kMostKept)
                continue;
            sort_list(keys + row * kListKeys, count);
            if (lane() == 0) {
                held[row] = k;
                thresholds[row] = keys[row * kListKeys + k - 1];
            }
        }
        block_barrier();
    }
    for (int row = warp(); row < kTile && query + row < of.rows; row += kWarps) {
        const int count = held[row];
        sort_list(keys + row * kListKeys, count);
        const std::int64_t list = (query + row) * grid_y() + block_y();
        for (int i = lane(); i < k; i += kWarpSize) {
            RowKey key = kNoKey;
            if (i < count)
                key = keys[row * kListKeys + i];
            lists[list * k + i] = key;
        }
    }
}

/// Grid: a block a query. Shared memory: kSelectSharedBytes.
static CLIP_KERNEL(kSelectThreads,
                   4) void merge_lists_kernel(Global<float> values,         // (queries, k)
                                              Global<std::int64_t> indices, // (queries, k)
                                              Global<const RowKey> lists,   // (queries, length)
                                              std::int64_t length, int k) {
    const auto keys = shared_memory<RowKey>(0);
    const auto held = shared_memory<int>(kSelectKeys * static_cast<int>(sizeof(RowKey)));
    const std::int64_t query = block_x();
    select_keys(keys, held, KeysOfLists{lists + query * length}, length, k, ~kNoKey);
    for (int i = thread_x(); i < k; i += kSelectThreads) {
        const RowKey key = keys[i];
        values[query * k + i] = number_of(key);
        indices[query * k + i] = place_of(key);
    }
}

static void launch_similarity_top_k(Context& context, const SimilarityTopKArgs& args,
                                    std::int64_t* indices) {
    const TileOperands of = score_operands(args.queries, args.rows);
    const std::int64_t slices = (of.columns + kSliceRows - 1) / kSliceRows;
    const auto k = static_cast<int>(args.k);
    Workspace::Scope scope(context.workspace());
    auto* lists = scope.take<RowKey>(of.rows * slices * k);
    context.launch(
        "similarity_lists", similarity_lists_kernel,
        {.grid = {static_cast<unsigned>(tiles_of(of.rows)), static_cast<unsigned>(slices)},
         .block = {kTileThreads},
         .shared_bytes = kListsSharedBytes},
        lists, of, args.scale, k);
    context.launch("merge_lists", merge_lists_kernel,
                   {.grid = {static_cast<unsigned>(of.rows)},
                    .block = {kSelectThreads},
                    .shared_bytes = kSelectSharedBytes},
                   args.values.f32(), indices, lists, slices * k, k);
}

void CudaBackend::similarity_top_k(const SimilarityTopKArgs& args) {
    const std::int64_t queries = args.queries.shape[0], width = args.queries.shape[1];
    const std::int64_t rows = args.rows.shape[0];
    if (rows > kMostSlices * kSliceRows)
        fail(ErrorCode::unsupported,
             "cuda: similarity top k: there are more than 134,215,680 rows");
    Workspace::Scope scope(context_.workspace());
    if (args.k <= kMostKept) {
        auto* indices = scope.take<std::int64_t>(queries * args.k);
        launch_similarity_top_k(context_, args, indices);
        context_.transfer().download(args.indices.data(), indices, args.indices.size_bytes());
        return;
    }
    const auto row_bytes = rows * static_cast<std::int64_t>(sizeof(float));
    const std::int64_t step = std::clamp<std::int64_t>(kScoreBytes / row_bytes, 1, queries);
    const MutView scores{scope.take<float>(step * rows), {step, rows}, DType::f32, device()};
    for (std::int64_t first = 0; first < queries; first += step) {
        const std::int64_t count = std::min(step, queries - first);
        const MutView part = part_of(scores, 0, Shape{count, rows});
        similarity({.a = part_of(args.queries, first * width, Shape{count, width}),
                    .b = args.rows,
                    .scale = args.scale,
                    .y = part});
        top_k({.x = part,
               .k = args.k,
               .values = part_of(args.values, first * args.k, Shape{count, args.k}),
               .indices = args.indices.subspan(static_cast<std::size_t>(first * args.k),
                                               static_cast<std::size_t>(count * args.k))});
    }
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// The product behind every linear layer, convolution and patch embedding of this folder:
//
//   C (M, N) = A (M, K) B (K, N), what comes of it given to an epilogue
//
// by mma.sync, with operands that come through a ring of kStages tiles in shared memory (cp.async).
// Where operands lie and what happens to the result are policies: loaders (tile_loader.hpp), kinds
// of product (gemm_math.hpp) and epilogues (gemm_epilogue.hpp). An epilogue is plain data with
//
//   void operator()(int slice, std::int64_t row, std::int64_t column, Vec<float, 4> values,
//                   int count) const;
//
// which gets 4 columns of a row at a time (`count` of them where N ends), the first a multiple
// of 4.
//
// Blocks go over the result's tiles in bands of kBand rows of tiles, so that those in flight at one
// time share operands in L2. With `slice` below K the sum
// over k is cut into slices of so many k (grid y), and each is given to the epilogue on its own.
//
// Shapes: 4 warps. A 128 x 128 tile (16 bits, TF32) gives a warp 64 x 64: 32 matrix instructions
// for 8 of ldmatrix, half of what an H100 needs of shared memory with warps of 32 x 32. float32
// takes 128 x 64, since split factors need the registers. Where that would leave SMs idle, or
// elements come one by one (unaligned operands), tiles are 64 x 64. Two blocks and more an SM: one
// multiplies while another fills its ring or writes its result.
//
// Determinism: each element is one chain in the order of k (gemm_math.hpp), whatever the tile, the
// loader and the number of rows; no atomics.
//
// Source: the structure is that of NVIDIA's description of CUTLASS (Kerr et al. 2017, "CUTLASS:
// fast linear algebra in CUDA C++"), with the asynchronous copies of its multistage kernels.
#pragma once

#include <cstdint>
#include <type_traits>

#include "backend/cuda/context.hpp"
#include "backend/cuda/device_api.hpp"
#include "backend/cuda/gemm_math.hpp"
#include "backend/cuda/gemm_tile.hpp"
#include "backend/cuda/tile_loader.hpp"

namespace clip::cuda {

template <int M, int N, int WarpM, int WarpN, int Stages, int BlocksPerSm>
struct TileShape {
    static constexpr int kM = M, kN = N, kWarpM = WarpM, kWarpN = WarpN, kStages = Stages;
    static constexpr int kBlocksPerSm = BlocksPerSm;
    static constexpr int kWarpsM = M / WarpM, kWarps = kWarpsM * (N / WarpN);
    static constexpr int kThreads = kWarps * kWarpSize;
    static constexpr int kRows = WarpM / 16, kColumns = WarpN / 8; ///< fragments of a warp
    // The ring, where a warp's results lie later: 32 rows, padded by 8 columns so that fragments
    // are stored without bank conflicts.
    static constexpr int kStageBytes = (M + N) * kTileBytes;
    static constexpr int kBytes = Stages * kStageBytes;
    static constexpr int kLandingRows = 32, kLandingPitch = WarpN + 8;
    static constexpr int kLandingFloats = kLandingRows * kLandingPitch;
    static_assert(kWarps * kLandingFloats * 4 <= kBytes);
    static_assert(WarpM % kLandingRows == 0 && WarpN % 16 == 0);
};

using WideShape = TileShape<128, 128, 64, 64, 4, 2>;
using NarrowShape = TileShape<64, 64, 32, 32, 4, 4>;
/// For float32, whose split factors need registers.
using WideSplitShape = TileShape<128, 64, 64, 32, 4, 2>;
using NarrowSplitShape = TileShape<64, 64, 32, 32, 4, 3>;

/// Where elements come one by one they wait in registers: fewer blocks.
using ElementShape = TileShape<64, 64, 32, 32, 3, 2>;

/// Extents of a product, in elements.
struct GemmExtents {
    std::int64_t rows = 0, columns = 0, depth = 0; ///< M, N, K
    std::int64_t slice = 0; ///< of K; a multiple of 32 (or K and more: one slice)
    std::int64_t slices() const { return slice >= depth ? 1 : (depth + slice - 1) / slice; }
};

/// Rows of tiles that are worked on together: with 128 x 128 tiles, 8 of them and 16 columns are
/// what 132 SMs hold, and read (8 + 16) tiles of operands rather than 128.
inline constexpr int kBand = 8;

struct TilePlace {
    std::int64_t row, column; ///< in tiles
};

/// `index` below tile_rows * tile_columns, which a grid holds.
CLIP_DEVICE TilePlace tile_place(int index, std::int64_t tile_rows, std::int64_t tile_columns) {
    const int columns = static_cast<int>(tile_columns);
    const int band = index / (kBand * columns);
    const int inside = index - band * kBand * columns;
    const int height = min(kBand, static_cast<int>(tile_rows) - band * kBand);
    return {band * kBand + inside % height, inside / height};
}

/// sums = the product over k from `begin` to `end` of the tile that begins at (row, column), of
/// which they are this warp's part. All threads call it; the ring may be written by them on return.
template <typename Shape, typename Math, typename A, typename B>
CLIP_DEVICE void multiply_block(Accumulators<Shape::kRows, Shape::kColumns>& sums, const A& a,
                                const B& b, std::int64_t row, std::int64_t column,
                                std::int64_t begin, std::int64_t end, bool busy) {
    using Element = typename Math::Element;
    using ATile = OperandTile<Element, Shape::kM, A::kContiguous>;
    using BTile = OperandTile<Element, Shape::kN, B::kContiguous>;
    constexpr int kAhead = Shape::kStages - 1;
    const TileCopy<ATile, A, Shape::kThreads> copy_a(a, row);
    const TileCopy<BTile, B, Shape::kThreads> copy_b(b, column);
    typename decltype(copy_a)::Held held_a;
    typename decltype(copy_b)::Held held_b;
    const auto a_at = [](int stage) { return shared_memory<Element>(stage * Shape::kStageBytes); };
    const auto b_at = [](int stage) {
        return shared_memory<Element>(stage * Shape::kStageBytes + ATile::kBytes);
    };
    // One operand may be copied and the other come by registers.
    const auto begin_copies = [&](int stage, std::int64_t k) {
        if constexpr (A::kAsync)
            copy_a.copy(a_at(stage), k);
        else
            copy_a.fetch(held_a, k);
        if constexpr (B::kAsync)
            copy_b.copy(b_at(stage), k);
        else
            copy_b.fetch(held_b, k);
    };
    const auto end_copies = [&](int stage) {
        if constexpr (!A::kAsync)
            copy_a.put(a_at(stage), held_a);
        if constexpr (!B::kAsync)
            copy_b.put(b_at(stage), held_b);
    };

    const int tiles = static_cast<int>((end - begin + ATile::kDepth - 1) / ATile::kDepth);
    for (int stage = 0; stage < kAhead; ++stage) {
        if (stage < tiles) {
            begin_copies(stage, begin + stage * ATile::kDepth);
            end_copies(stage);
        }
        copy_async_commit();
    }
    const int m = warp() % Shape::kWarpsM * Shape::kWarpM;
    const int n = warp() / Shape::kWarpsM * Shape::kWarpN;
#pragma unroll
    for (int i = 0; i < Shape::kRows; ++i)
#pragma unroll
        for (int j = 0; j < Shape::kColumns; ++j)
#pragma unroll
            for (int r = 0; r < 4; ++r)
                sums[i][j][r] = 0;
    int stage = 0, refill = kAhead;
    for (int tile = 0; tile < tiles; ++tile) {
        copy_async_wait<kAhead - 1>();
        block_barrier(); // this tile is there for all, and nobody reads the one before it
        const bool more = tile + kAhead < tiles;
        if (more)
            begin_copies(refill, begin + (std::int64_t{tile} + kAhead) * ATile::kDepth);
        copy_async_commit(); // an empty group, too: groups are counted
        if (busy)
            multiply_tile<Math, ATile, BTile>(sums, a_at(stage), b_at(stage), m, n);
        if (more)
            end_copies(refill);
        stage = stage + 1 == Shape::kStages ? 0 : stage + 1;
        refill = refill + 1 == Shape::kStages ? 0 : refill + 1;
    }
    copy_async_wait<0>();
    block_barrier();
}

/// Whether any thread of the block says so; the ring must not be in use.
template <typename Shape>
CLIP_DEVICE bool any_of_block(bool mine) {
    const Shared<std::uint32_t> votes = shared_memory<std::uint32_t>(0);
    const bool of_warp = any(mine);
    if (lane() == 0)
        votes[warp()] = of_warp ? 1U : 0U;
    block_barrier();
    std::uint32_t found = 0;
    for (int w = 0; w < Shape::kWarps; ++w) {
        const std::uint32_t vote = votes[w];
        found |= vote;
    }
    block_barrier();
    return found != 0;
}

template <int Rows, int Columns>
CLIP_DEVICE bool all_finite(const Accumulators<Rows, Columns>& sums) {
    bool finite = true;
#pragma unroll
    for (int i = 0; i < Rows; ++i)
#pragma unroll
        for (int j = 0; j < Columns; ++j)
#pragma unroll
            for (int r = 0; r < 4; ++r)
                finite = finite && (bits_of(sums[i][j][r]) & 0x7f800000U) != 0x7f800000U;
    return finite;
}

/// Gives the sums of this warp, whose first are of (row, column), to the epilogue: through shared
/// memory, so that a lane has 4 columns of a row, and neighbours have neighbours.
template <typename Shape, typename Epilogue>
CLIP_DEVICE void finish_warp(const Accumulators<Shape::kRows, Shape::kColumns>& sums,
                             const GemmExtents& extents, const Epilogue& epilogue, int slice,
                             std::int64_t row, std::int64_t column) {
    constexpr int kPitch = Shape::kLandingPitch;
    constexpr int kLanesPerRow = Shape::kWarpN / 4;
    constexpr int kRowsAtOnce = kWarpSize / kLanesPerRow;
    const Shared<float> landing = shared_memory<float>(0) + warp() * Shape::kLandingFloats;
    const std::int64_t at = column + lane() % kLanesPerRow * 4;
    const std::int64_t left = extents.columns - at;
    const int count = left >= 4 ? 4 : left > 0 ? static_cast<int>(left) : 0;
#pragma unroll
    for (int i = 0; i < Shape::kRows; i += Shape::kLandingRows / 16) {
        warp_barrier(); // all lanes have read what was there
#pragma unroll
        for (int half = 0; half < Shape::kLandingRows / 16; ++half)
#pragma unroll
            for (int j = 0; j < Shape::kColumns; ++j) {
                const float(&d)[4] = sums[i + half][j];
                const Shared<float> to =
                    landing + ((half * 16 + lane() / 4) * kPitch + j * 8 + lane() % 4 * 2);
                store(to, Vec<float, 2>{{d[0], d[1]}});
                store(to + 8 * kPitch, Vec<float, 2>{{d[2], d[3]}});
            }
        warp_barrier();
#pragma unroll 1 // what an epilogue does is long
        for (int r = lane() / kLanesPerRow; r < Shape::kLandingRows; r += kRowsAtOnce) {
            const std::int64_t to = row + i * 16 + r;
            if (to < extents.rows && count > 0)
                epilogue(slice, to, at, load<4>(landing + (r * kPitch + lane() % kLanesPerRow * 4)),
                         count);
        }
    }
}

/// Grid: x tiles of the result, y slices of k. Shape::kThreads threads, Shape::kBytes of shared
/// memory. Accumulates in float32; deterministic (see above).
template <typename Shape, typename Math, typename A, typename B, typename Epilogue>
static CLIP_KERNEL(Shape::kThreads, Shape::kBlocksPerSm) void gemm_kernel(GemmExtents extents, A a,
                                                                          B b, Epilogue epilogue) {
    const TilePlace place = tile_place(block_x(), (extents.rows + Shape::kM - 1) / Shape::kM,
                                       (extents.columns + Shape::kN - 1) / Shape::kN);
    const std::int64_t row = place.row * Shape::kM, column = place.column * Shape::kN;
    const std::int64_t begin = block_y() * extents.slice;
    const std::int64_t end = min(extents.depth, begin + extents.slice);
    const std::int64_t warp_row = row + warp() % Shape::kWarpsM * Shape::kWarpM;
    const std::int64_t warp_column = column + warp() / Shape::kWarpsM * Shape::kWarpN;
    // A warp all of whose results lie outside multiplies nothing.
    const bool busy = warp_row < extents.rows && warp_column < extents.columns;
    float sums[Shape::kRows][Shape::kColumns][4];
    multiply_block<Shape, Math>(sums, a, b, row, column, begin, end, busy);
    if constexpr (Math::kSplit)
        if (any_of_block<Shape>(!all_finite<Shape::kRows, Shape::kColumns>(sums)))
            multiply_block<Shape, MathTf32x3Careful>(sums, a, b, row, column, begin, end, busy);
    if (busy)
        finish_warp<Shape>(sums, extents, epilogue, block_y(), warp_row, warp_column);
}

template <typename Shape, typename Math, typename A, typename B, typename Epilogue>
static void launch_gemm_shape(Context& context, const char* name, const GemmExtents& extents,
                              const A& a, const B& b, const Epilogue& epilogue) {
    const std::int64_t tiles = (extents.rows + Shape::kM - 1) / Shape::kM *
                               ((extents.columns + Shape::kN - 1) / Shape::kN);
    const LaunchShape shape{{static_cast<unsigned>(tiles), static_cast<unsigned>(extents.slices())},
                            {Shape::kThreads},
                            Shape::kBytes};
    context.launch(name, gemm_kernel<Shape, Math, A, B, Epilogue>, shape, extents, a, b, epilogue);
}

/// Whether tiles of this shape occupy each SM with a block at least.
template <typename Shape>
bool fills(const Context& context, const GemmExtents& extents) {
    return extents.rows > Shape::kM / 2 && extents.columns > Shape::kN / 2 &&
           (extents.rows + Shape::kM - 1) / Shape::kM *
                   ((extents.columns + Shape::kN - 1) / Shape::kN) * extents.slices() >=
               context.properties().multiprocessors;
}

/// Multiplies in the tile shape that suits the extents. Empty results launch nothing.
template <typename Math, typename A, typename B, typename Epilogue>
static void launch_gemm(Context& context, const char* name, GemmExtents extents, const A& a,
                        const B& b, const Epilogue& epilogue) {
    if (extents.rows == 0 || extents.columns == 0)
        return;
    if (extents.slice == 0 || extents.slice > extents.depth)
        extents.slice = extents.depth;
    if constexpr (!A::kAsync || !B::kAsync) {
        launch_gemm_shape<ElementShape, Math>(context, name, extents, a, b, epilogue);
    } else {
        using Wide = std::conditional_t<Math::kSplit, WideSplitShape, WideShape>;
        using Narrow = std::conditional_t<Math::kSplit, NarrowSplitShape, NarrowShape>;
        if (fills<Wide>(context, extents))
            launch_gemm_shape<Wide, Math>(context, name, extents, a, b, epilogue);
        else
            launch_gemm_shape<Narrow, Math>(context, name, extents, a, b, epilogue);
    }
}

} // namespace clip::cuda

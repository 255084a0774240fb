// SPDX-License-Identifier: MIT
// The product of gemm_core.hpp for sm_90a, where both operands are (rows, K) of 16 bits, K
// contiguous: y = x W^T of every linear layer's forward pass.
//
// A block has one warp that loads (TMA, tiles of 64 along k in a ring) and two warpgroups that
// multiply (wgmma), each 64 rows of a 128-row tile. Blocks stay: each goes through the result's
// tiles at a distance of the grid, and while the warpgroups write one tile's results the ring fills
// for the next.
//
// Tiles:  128 x 256   from kWideColumns columns on: 85 FLOP a byte from L2, one block an SM
//         128 x 128   else: more tiles for the SMs, and two blocks an SM, of which one multiplies
//                     while the other writes
// The choice is by columns alone, so that it is the same for a row in every batch (as are its bits,
// if wgmma adds alike in both widths, which no manual promises).
//
// Numerics: one chain an element, in steps of 16 along k; what a step adds up inside is the tensor
// core's. Bits differ from gemm_core.hpp's, whose chain mma.sync rounds in other places, but not
// between batches. Rows, columns and k beyond the matrix come as zeros; 0 times anything there is
// 0.
//
// Cost: (128 + N) 128 bytes a step from L2 for 128 N 64 FMA. ViT-B/32 at batch 256 (12,800 rows,
// qkv + output + MLP, 12 layers): 2.2 TFLOP, 3.4 ms at 65% of the dense peak of an H100 SXM (989
// TFLOP/s); ViT-L/14 (65,792 rows, 24 layers): 39.7 TFLOP, 62 ms. Expected from the rates, not
// measured.
//
// Source: Kerr et al. 2017 for the hierarchy of tiles; warps that load and warps that multiply as
// in Bauer et al. 2011 ("CudaDMA"), with the instructions that sm_90 has for it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backend/cuda/context.hpp"
#include "backend/cuda/device_api_hopper.hpp"
#include "backend/cuda/gemm_core.hpp"
#include "backend/cuda/linear_hopper.hpp"

namespace clip::cuda {

/// From so many columns on tiles are 256 wide.
inline constexpr std::int64_t kWideColumns = 2048;

template <int N>
struct HopperTile {
    static constexpr int kM = 128, kN = N;
    static constexpr int kGroups = 2; ///< warpgroups that multiply
    static constexpr int kWarps = kGroups * 4;
    static constexpr int kThreads = kWarps * kWarpSize + kWarpSize;
    static constexpr int kStages = N == 256 ? 4 : 3;
    static constexpr int kBlocksPerSm = N == 256 ? 1 : 2;
    static constexpr int kABytes = kM * 128, kStageBytes = kABytes + N * 128;
    // Results on their way to the epilogue: 16 rows by a quarter of the columns, a warp.
    static constexpr int kLandingColumns = N / 4, kLandingBytes = 16 * kLandingColumns * 4;
    static constexpr int kBarrierBytes = 1024; // keeps tiles aligned
    static constexpr int kRing = kBarrierBytes, kLanding = kRing + kStages * kStageBytes;
    static constexpr int kBytes = kLanding + kWarps * kLandingBytes;
    // 228 KiB an SM, of which the system keeps one a block.
    static_assert(kBlocksPerSm * (kBytes + 1024) <= 228 * 1024);
};

/// A kernel's argument; the maps' tiles are (128, 64) and (N, 64).
template <int N, typename Epilogue>
struct HopperGemm {
    TensorMap a, b;
    Epilogue epilogue;
    int rows = 0, columns = 0;           // as TMA's coordinates, 32 bits
    int steps = 0;                       ///< of 64 along k
    int tile_rows = 0, tile_columns = 0; ///< of the result
};

/// Where a role is in the ring.
template <int Stages>
struct RingPlace {
    int stage = 0, round = 0;
    CLIP_DEVICE void advance() {
        if (++stage == Stages) {
            stage = 0;
            ++round;
        }
    }
};

/// The warp that loads: one of its lanes.
template <typename T, int N, typename Epilogue>
CLIP_DEVICE void load_tiles(const HopperGemm<N, Epilogue>& p) {
    using Tile = HopperTile<N>;
    const Shared<Barrier> full = shared_memory<Barrier>(0), empty = full + Tile::kStages;
    prefetch_tensor_map(p.a);
    prefetch_tensor_map(p.b);
    RingPlace<Tile::kStages> ring;
    for (int tile = block_x(); tile < p.tile_rows * p.tile_columns; tile += grid_x()) {
        const TilePlace place = tile_place(tile, p.tile_rows, p.tile_columns);
        const int row = static_cast<int>(place.row) * Tile::kM;
        const int column = static_cast<int>(place.column) * Tile::kN;
        for (int step = 0; step < p.steps; ++step) {
            const Shared<T> to = shared_memory<T>(Tile::kRing + ring.stage * Tile::kStageBytes);
            // In the first round the phase before the barrier's first counts as ended.
            barrier_wait(empty + ring.stage, ring.round + 1);
            barrier_arrive_expect(full + ring.stage, Tile::kStageBytes);
            tma_load_2d(to, p.a, step * kTileColumns, row, full + ring.stage);
            tma_load_2d(to + Tile::kM * kTileColumns, p.b, step * kTileColumns, column,
                        full + ring.stage);
            ring.advance();
        }
    }
}

/// Sums (64 rows of a warpgroup) of one tile.
template <typename T, typename Tile>
CLIP_DEVICE void multiply_hopper(float (&sums)[Tile::kN / 2], RingPlace<Tile::kStages>& ring,
                                 int steps) {
    const Shared<Barrier> full = shared_memory<Barrier>(0), empty = full + Tile::kStages;
    const int group = warp() / 4;
    int before = 0; // the stage that the products under way still read
    for (int step = 0; step < steps; ++step) {
        const Shared<T> a = shared_memory<T>(Tile::kRing + ring.stage * Tile::kStageBytes);
        const Shared<T> b = a + Tile::kM * kTileColumns;
        barrier_wait(full + ring.stage, ring.round);
        wgmma_fence(sums);
        CLIP_UNROLL
        for (int k = 0; k < kTileColumns; k += 16)
            wgmma<T, Tile::kN>(sums, rows_operand(a + group * 64 * kTileColumns, k),
                               rows_operand(b, k), true);
        wgmma_commit();
        // One step stays under way; the one before it has been read.
        wgmma_wait<1>();
        if (step > 0 && lane() == 0)
            barrier_arrive(empty + before);
        before = ring.stage;
        ring.advance();
    }
    wgmma_wait<0>(sums);
    if (lane() == 0)
        barrier_arrive(empty + before);
}

/// Gives a warp's 16 rows of sums, the first of them of (row, column), to the epilogue, through
/// shared memory: neighbouring lanes get neighbouring columns. Chunks of 16 bytes are permuted
/// within a row so that neither way has bank conflicts.
template <int N, typename Epilogue>
CLIP_DEVICE void finish_hopper(const float (&sums)[N / 2], const HopperGemm<N, Epilogue>& p,
                               int row, int column) {
    using Tile = HopperTile<N>;
    constexpr int kWidth = Tile::kLandingColumns, kChunks = kWidth / 4;
    constexpr int kRowsAtOnce = kWarpSize / kChunks;
    const auto place = [](int r, int chunk) { return r * kWidth + (chunk ^ r * 2 % 8) * 4; };
    const int rows = min(16, p.rows - row); // also below 0
    CLIP_UNROLL
    for (int part = 0; part < 4; ++part) {
        // Where a lane reads and writes is computed anew each time: kept, it would take registers
        // that two blocks an SM do not have.
        const int thread = fresh(thread_x()), self = thread % kWarpSize;
        const Shared<float> landing =
            shared_memory<float>(Tile::kLanding + thread / kWarpSize * Tile::kLandingBytes);
        warp_barrier(); // all lanes have read what was there
        CLIP_UNROLL
        for (int j = 0; j < kWidth / 8; ++j)
            CLIP_UNROLL
        for (int half = 0; half < 2; ++half) {
            const int i = (part * (kWidth / 8) + j) * 4 + half * 2;
            store(landing + (place(self / 4 + half * 8, 2 * j + self % 4 / 2) + self % 2 * 2),
                  Vec<float, 2>{{sums[i], sums[i + 1]}});
        }
        warp_barrier();
        const int at = column + part * kWidth + self % kChunks * 4;
        const int count = min(4, p.columns - at);
        for (int r = count > 0 ? self / kChunks : 16; r < rows; r += kRowsAtOnce)
            p.epilogue(0, row + r, at, load<4>(landing + place(r, self % kChunks)), count);
    }
}

/// Grid: x blocks that stay, at most one a tile. Tile::kThreads threads, the last warp loads;
/// Tile::kBytes of shared memory, aligned to 1024. Accumulates in float32; deterministic.
template <typename T, int N, typename Epilogue>
static CLIP_KERNEL(
    (HopperTile<N>::kThreads),
    (HopperTile<N>::kBlocksPerSm)) void gemm_hopper_kernel(const CLIP_GRID_CONSTANT
                                                               HopperGemm<N, Epilogue>
                                                                   p) {
    if constexpr (kHasHopper) {
        using Tile = HopperTile<N>;
        const Shared<Barrier> full = shared_memory<Barrier>(0), empty = full + Tile::kStages;
        if (thread_x() == 0) {
            for (int s = 0; s < Tile::kStages; ++s) {
                barrier_init(full + s, 1);
                barrier_init(empty + s, Tile::kWarps);
            }
            fence_barrier_init();
        }
        block_barrier();
        if (warp() == Tile::kWarps) {
            if (lane() == 0)
                load_tiles<T>(p);
            return;
        }
        RingPlace<Tile::kStages> ring;
        for (int tile = block_x(); tile < p.tile_rows * p.tile_columns; tile += grid_x()) {
            const TilePlace place = tile_place(tile, p.tile_rows, p.tile_columns);
            float sums[N / 2];
            CLIP_UNROLL
            for (int i = 0; i < N / 2; ++i)
                sums[i] = 0;
            multiply_hopper<T, Tile>(sums, ring, p.steps);
            finish_hopper(sums, p, static_cast<int>(place.row) * Tile::kM + warp() * 16,
                          static_cast<int>(place.column) * N);
        }
    }
}

/// The argument of a kernel of tiles (128, N).
template <int N, typename Epilogue>
HopperGemm<N, Epilogue> hopper_gemm(DType dtype, const HopperOperand& a, const HopperOperand& b,
                                    const GemmExtents& extents, const Epilogue& epilogue) {
    constexpr int kM = HopperTile<N>::kM;
    HopperGemm<N, Epilogue> p;
    p.a = make_tensor_map_2d(a.at, dtype, extents.rows, extents.depth, a.pitch, kM);
    p.b = make_tensor_map_2d(b.at, dtype, extents.columns, extents.depth, b.pitch, N);
    p.epilogue = epilogue;
    p.rows = static_cast<int>(extents.rows);
    p.columns = static_cast<int>(extents.columns);
    p.steps = static_cast<int>((extents.depth + kTileColumns - 1) / kTileColumns);
    p.tile_rows = (p.rows + kM - 1) / kM;
    p.tile_columns = (p.columns + N - 1) / N;
    return p;
}

template <typename T, int N, typename Epilogue>
static void launch_gemm_hopper(Context& context, const char* name,
                               const HopperGemm<N, Epilogue>& p) {
    using Tile = HopperTile<N>;
    const std::int64_t tiles = std::int64_t{p.tile_rows} * p.tile_columns;
    const std::int64_t blocks =
        std::min<std::int64_t>(tiles, context.properties().multiprocessors * Tile::kBlocksPerSm);
    context.launch(name, gemm_hopper_kernel<T, N, Epilogue>,
                   {{static_cast<unsigned>(blocks)}, {Tile::kThreads}, Tile::kBytes}, p);
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// The part of the door (device_api.hpp) that only sm_90a has: barriers in shared memory that count
// bytes, copies of tiles by the Tensor Memory Accelerator, and matrix products of a warpgroup (128
// threads: warps 4 i to 4 i + 3). A kernel that uses it puts its whole body under
// `if constexpr (kHasHopper)`: for other architectures it is then empty, and must not be launched.
// On the host runs_hopper(capability) says whether it may.
//
//   CLIP_GRID_CONSTANT                before a kernel's parameter (const, by value) that is, or has
//                                     in it, a TensorMap
//
// Barriers (mbarrier). A Shared<Barrier> goes through phases 0, 1, 2, ...: a phase ends when as
// many arrivals have come as the barrier was made for, and as many bytes as were expected.
//   barrier_init(b, arrivals)         one thread; then fence_barrier_init() by it, then a barrier
//   of
//                                     the block
//   barrier_arrive(b)                 what the thread did before is seen by who waits for the phase
//   barrier_arrive_expect(b, bytes)   arrives, and lets the phase wait for so many bytes
//   barrier_wait(b, phase)            waits until phase `phase` has ended (modulo 2: nobody may be
//                                     two phases behind)
//
// Copies. Threads write by the generic proxy, TMA and wgmma read and write by the async proxy:
//   fence_proxy_async()               what this thread wrote to shared memory is seen by the async
//                                     accesses that come after it (behind a barrier: of others too)
//   tma_load_2d(to, map, column, row, b)
//                                     one thread: brings the tile of `map` whose first element is
//                                     (row, column) to `to` (aligned to 1024) and counts ALL its
//                                     bytes, those outside of the matrix too, in the present phase
//                                     of b. Nobody may touch `to` between this call and the end of
//                                     that phase. Coordinates may be negative
//   prefetch_tensor_map(map)          one thread; optional
//
// Layout of tiles ("128-byte swizzle"): row r of 64 16-bit elements lies at byte 128 r; in it the
// 16-byte chunk c is at place c ^ (r % 8). Operands of wgmma have the same layout:
//   rows_operand(tile, k)             the descriptor of a tile whose rows are the rows of A or the
//                                     columns of B, and along whose rows k runs; from k (a multiple
//                                     of 16) on. Tiles of more than 8 rows: 8 rows are 1024 bytes
//   columns_operand(tile, k)          ... whose ROWS are k, and along whose rows the 64 columns of
//   B
//                                     run; from row k (a multiple of 16) on
//   swizzled(row, column)             index of an element in a tile
//
// Products. d (64, N) f32: thread t of the warpgroup holds rows 16 (t / 32) + (t % 32) / 4 and that
// + 8; element 4 j + i of d is what element i of mma's C fragment is to columns 8 j to 8 j + 7.
//   wgmma<T, N>(d, a, b, add)         d = a b (+ d where `add`): a (64, 16), b (16, N), both by
//                                     rows_operand(); N 64, 128 or 256
//   wgmma_registers<T>(d, a, b, add)  N = 64, b by columns_operand(); a (64, 16) from registers,
//                                     for each warp mma_m16n8k16's A fragment of its 16 rows
//   wgmma_fence(d..., a...)           before products: names the registers that they use and that
//                                     no product under way holds
//   wgmma_commit()                    what was issued since the last commit becomes a group
//   wgmma_wait<N>(d..., a...)         until all but the latest N groups are done; names the d that
//                                     are complete then, and the a in registers of products that
//                                     are done. From its fence on until a product is done, neither
//                                     may be touched, nor its tiles be written to
// All 128 threads call these together. Sums within a product may be rounded toward zero.
//
//   fresh(i)                          i; nothing that depends on it is computed earlier and kept in
//                                     registers meanwhile
//
// Source: PTX ISA 8.5, "mbarrier", "cp.async.bulk.tensor", "Asynchronous Warpgroup Level Matrix
// Multiply-Accumulate Instructions" (fragments, shared memory layouts, matrix descriptor).
#pragma once

#include "backend/cuda/device_api.hpp"
#include "backend/cuda/tensor_map.hpp"

namespace clip::cuda {

/// An mbarrier; only its address is used.
struct alignas(8) Barrier {
    std::uint64_t opaque;
};

constexpr int kWarpgroupSize = 128;
/// Bytes from 8 rows of a tile to the next 8.
constexpr int kEightRows = 1024;

constexpr int swizzled(int row, int column) {
    return row * kTileColumns + ((column / 8 ^ row % 8) * 8 + column % 8);
}

/// Whether a device has the instructions, and this build the code: code for sm_90 without the a has
/// empty kernels, which would leave results as they were.
constexpr bool runs_hopper([[maybe_unused]] int capability) {
#if CLIP_CUDA_EMULATED || CLIP_CUDA_HOPPER
    return capability == 90;
#else
    return false;
#endif
}

/// A matrix descriptor: addresses and distances in units of 16 bytes, from bit 62 on the swizzle of
/// 128 bytes. `leading` is used only for B by columns, wider than 64.
constexpr std::uint64_t matrix_descriptor(std::uint32_t address, int leading, int stride) {
    return (address & 0x3ffffU) >> 4U | static_cast<std::uint64_t>(leading >> 4) << 16U |
           static_cast<std::uint64_t>(stride >> 4) << 32U | std::uint64_t{1} << 62U;
}

} // namespace clip::cuda

#ifdef CLIP_CUDA_EMULATED
#include "backend/cuda/emulation/device_api_hopper_emulated.hpp"
#else
#include "backend/cuda/device_api_hopper_cuda.hpp"
#endif

// SPDX-License-Identifier: MIT
// The only door from a kernel to the hardware. A .cu file of this folder includes this header and
// uses nothing else of CUDA, so that g++ can compile the same file against a host emulation, in
// which every access is checked (emulation/README.md).
//
// Three macros, everything else lies in clip::cuda:
//
//   CLIP_DEVICE                       a function that kernels call
//   CLIP_KERNEL(threads, blocks)      a kernel that is launched with at most `threads` a block, and
//                                     of which `blocks` are to fit on an SM
//   CLIP_UNROLL                       before a loop with constant bounds: unrolled whole, so that
//                                     arrays that it indexes stay in registers
//
// Memory. Kernels take Global<T> (from a T* of the host side) and index it: p[i], p + i, p == null.
// `load<N>(p)` and `store(p, vec)` move N elements at once and want them aligned. Dynamic shared
// memory is all the shared memory there is: shared_memory<T>(byte offset) gives a Shared<T>.
//
//   thread_x() threads_x()            index in the block, size of the block (blocks are 1-D)
//   block_x() block_y() block_z()     index in the grid;  grid_x() grid_y() grid_z() its extents
//   lane() warp()                     thread_x() % 32, thread_x() / 32
//   block_barrier()                   all threads of the block; orders their memory accesses
//   warp_barrier()                    all lanes of the warp; likewise
//   named_barrier(id, threads)        `threads` of the block (whole warps); id 1 to 15
//   shuffle(v, from) shuffle_xor(v, mask) shuffle_down(v, by) shuffle_up(v, by)
//                                     of 32-bit values, all 32 lanes take part
//   ballot(p) any(p) all(p)           votes of all 32 lanes
//   atomic_add(p, v) atomic_max(p, v) on int32, uint32 (Global or Shared); returns the old value
//
// Asynchronous copies (sm_80), 16 bytes each and aligned to 16:
//   copy_async(to, from, bytes)       the first `bytes` (0 to 16) from memory, zeros behind them;
//                                     `from` is not read where bytes is 0, but is aligned, too
//   copy_async_commit()               what was issued since the last commit becomes a group
//   copy_async_wait<N>()              until all but the latest N groups are there. Visible to other
//                                     threads after a barrier behind it
//
// Matrix instructions (fragments: PTX ISA 8.5, 9.7.14 "warp-level matrix instructions"):
//   load_matrix_x4(r, row) load_matrix_x2(r, row)             ldmatrix: 8 x 8 matrices of 16-bit
//   load_matrix_x4_transposed(r, row) ..._x2_transposed       elements; lane i gives the address of
//                                     row i % 8 of matrix i / 8. `row` may be of float: then a
//                                     matrix is 8 x 4 (not transposed)
//   mma_m16n8k16<T>(d, a, b)          d (16, 8) += a (16, 16) b (16, 8), T Half or BFloat16
//   mma_m16n8k8_tf32(d, a, b)         d (16, 8) += a (16, 8) b (8, 8), operands as round_to_tf32
//                                     gives them. Sums of either may be rounded toward zero
//
// Numbers: to_float(x), from_float<T>(f) (nearest even), pack<T>(low, high), unpack<T>(bits, low,
// high), round_to_tf32(f) -> bits, bits_of(f), float_of(bits); exp2_fast, exp_fast, log_fast,
// reciprocal_fast (a few ulp; may take numbers below 2^-126 for 0), rsqrt, tanh, erf, exp, log,
// sqrt as libm has them (within 2 ulp), fma, min, max; max_number is one instruction, and gives the
// other one where one is NaN. add_rounded(a, b), multiply_rounded(a, b)
// are never joined to one fma: for results that are to have the bits of the host's.
//
// Hopper (sm_90a): see device_api_hopper.hpp.
#pragma once

#include "backend/cuda/device_types.hpp"
#include "backend/cuda/dim3.hpp"

#ifdef CLIP_CUDA_EMULATED
#include "backend/cuda/emulation/device_api_emulated.hpp"
#else
#include "backend/cuda/device_api_cuda.hpp"
#endif

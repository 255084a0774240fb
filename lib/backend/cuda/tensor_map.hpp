// SPDX-License-Identifier: MIT
// Matrices as the Tensor Memory Accelerator of sm_90 sees them: what tma_load_2d of
// device_api_hopper.hpp takes. Two implementations, as of runtime.hpp: tensor_map_cuda.cpp and
// emulation/tensor_map_emulated.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.hpp"

namespace clip::cuda {

/// Columns of a tile: 128 bytes of 16-bit elements, the width of the swizzle.
constexpr int kTileColumns = 64;

/// A matrix in device memory and the tile that one load brings. An argument of a kernel, by value
/// (CLIP_GRID_CONSTANT); it may be a member of the kernel's argument struct.
#if CLIP_CUDA_EMULATED
struct TensorMap {
    const std::byte* base = nullptr;
    std::int64_t rows = 0, columns = 0, row_bytes = 0;
    int tile_rows = 0;
};
#else
struct alignas(64) TensorMap {
    std::uint64_t opaque[16] = {}; // a CUtensorMap
};
#endif

/// Whether TMA can read rows of 16-bit elements `row_stride` elements apart from `base`.
inline bool takes_tensor_map(const void* base, std::int64_t row_stride) {
    return reinterpret_cast<std::uintptr_t>(base) % 16 == 0 && row_stride % 8 == 0;
}

/// The map of a matrix of 16-bit elements for tiles of (tile_rows, kTileColumns).
///
/// Shapes:  base (rows, columns), rows `row_stride` elements apart; both extents at least 1,
///          tile_rows 1 to 256.
/// Layout:  a tile is in shared memory row by row, 128 bytes each, its 16-byte chunks swizzled (see
///          device_api_hopper.hpp); what lies outside the matrix comes as zeros.
/// Errors:  internal (not takes_tensor_map(), or an extent out of range), device_failure (a driver
///          that does not know tensor maps).
TensorMap make_tensor_map_2d(const void* base, DType dtype, std::int64_t rows, std::int64_t columns,
                             std::int64_t row_stride, int tile_rows);

} // namespace clip::cuda

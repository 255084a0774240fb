// SPDX-License-Identifier: MIT
#include "backend/cuda/tensor_map.hpp"

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda {

TensorMap make_tensor_map_2d(const void* base, DType dtype, std::int64_t rows, std::int64_t columns,
                             std::int64_t row_stride, int tile_rows) {
    // What cuTensorMapEncodeTiled refuses.
    constexpr std::int64_t kMostExtent = std::int64_t{1} << 32, kMostStride = std::int64_t{1} << 40;
    const bool good = (dtype == DType::f16 || dtype == DType::bf16) &&
                      takes_tensor_map(base, row_stride) && rows >= 1 && rows <= kMostExtent &&
                      columns >= 1 && columns <= kMostExtent && row_stride >= 1 &&
                      row_stride * 2 < kMostStride && tile_rows >= 1 && tile_rows <= 256;
    if (!good)
        fail(ErrorCode::internal, concat("cuda: make a tensor map of (", rows, ", ", columns,
                                         "), rows ", row_stride, " apart: CUresult 1"));
    return {static_cast<const std::byte*>(base), rows, columns, row_stride * 2, tile_rows};
}

} // namespace clip::cuda

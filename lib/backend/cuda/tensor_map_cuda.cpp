// SPDX-License-Identifier: MIT
// tensor_map.hpp by the driver, whose one function is asked for at run time: nothing links libcuda.
#include "backend/cuda/tensor_map.hpp"

#include <cuda.h>
#include <cudaTypedefs.h>

#include "backend/cuda/check_cuda.hpp"

namespace clip::cuda {

namespace {

static_assert(sizeof(TensorMap) == sizeof(CUtensorMap) && alignof(TensorMap) >= 64);

PFN_cuTensorMapEncodeTiled_v12000 encoder() {
    static const auto found = [] {
        void* at = nullptr;
        cudaDriverEntryPointQueryResult result{};
#if CUDART_VERSION >= 12050
        check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &at, 12000,
                                               cudaEnableDefault, &result),
              "look for cuTensorMapEncodeTiled");
#else
        check(cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &at, cudaEnableDefault, &result),
              "look for cuTensorMapEncodeTiled");
#endif
        if (result != cudaDriverEntryPointSuccess || at == nullptr)
            fail(ErrorCode::device_failure, "cuda: the driver has no cuTensorMapEncodeTiled");
        return reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(at);
    }();
    return found;
}

} // namespace

TensorMap make_tensor_map_2d(const void* base, DType dtype, std::int64_t rows, std::int64_t columns,
                             std::int64_t row_stride, int tile_rows) {
    TensorMap map;
    const cuuint64_t extents[2] = {static_cast<cuuint64_t>(columns), static_cast<cuuint64_t>(rows)};
    const cuuint64_t strides[1] = {static_cast<cuuint64_t>(row_stride) * 2};
    const cuuint32_t tile[2] = {kTileColumns, static_cast<cuuint32_t>(tile_rows)};
    const cuuint32_t steps[2] = {1, 1};
    const CUresult status = encoder()(
        reinterpret_cast<CUtensorMap*>(&map),
        dtype == DType::f16 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2,
        const_cast<void*>(base), extents, strides, tile, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
        CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
        CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    if (status != CUDA_SUCCESS)
        fail(ErrorCode::internal,
             concat("cuda: make a tensor map of (", rows, ", ", columns, "), rows ", row_stride,
                    " apart: CUresult ", static_cast<int>(status)));
    return map;
}

} // namespace clip::cuda

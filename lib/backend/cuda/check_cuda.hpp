// SPDX-License-Identifier: MIT
// Errors of the CUDA runtime as ours; for the files that include <cuda_runtime.h>.
#pragma once

#include <cstddef>
#include <string_view>

#include <cuda_runtime.h>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda {

/// The code that a caller can act on.
inline ErrorCode error_code(cudaError_t status) {
    switch (status) {
    case cudaErrorMemoryAllocation:
        return ErrorCode::out_of_memory;
    case cudaErrorInsufficientDriver:
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
        return ErrorCode::unsupported;
    default:
        return ErrorCode::device_failure;
    }
}

/// Throws unless `status` is success; `what` was attempted. The runtime keeps an error until it is
/// asked for (CUDA C++ Programming Guide, "Error Checking"): that is done here, so that a caller
/// who goes on does not find it at the next launch. One that loses the device comes back in any
/// case.
inline void check(cudaError_t status, std::string_view what) {
    if (status == cudaSuccess)
        return;
    cudaGetLastError();
    fail(error_code(status), concat("cuda: ", what, ": ", cudaGetErrorString(status), " (",
                                    cudaGetErrorName(status), ")"));
}

/// The same for an allocation.
inline void check(cudaError_t status, std::string_view what, std::size_t bytes) {
    if (status == cudaErrorMemoryAllocation) {
        cudaGetLastError(); // as above
        fail(ErrorCode::out_of_memory, concat("cuda: ", what, ": no room for ", bytes, " bytes"));
    }
    check(status, what);
}

} // namespace clip::cuda

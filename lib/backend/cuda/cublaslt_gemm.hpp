// SPDX-License-Identifier: MIT
// NVIDIA's own product, for comparison: CLIP_CUDA_GEMM=cublaslt. It chooses its kernels by shapes,
// so that a row's bits may depend on how many rows there are, which the rest of this library rules
// out; nothing uses it unless it is asked for.
#pragma once

#include "backend/cuda/context.hpp"
#include "backend/cuda/prepared.hpp"

namespace clip::cuda {

/// y = x W^T without anything after it, in the stream.
///
/// Shapes:  x (rows, in) and weight (out, in) of type `factors`; y (rows, out) dense.
/// Errors:  unsupported (no library of the CUDA version that this was built for, no kernel for
/// these
///          types, or an emulated device); device_failure.
void cublaslt_product(Context& context, const PitchedRows& x, const PitchedRows& weight,
                      DType factors, void* y, DType y_type);

} // namespace clip::cuda

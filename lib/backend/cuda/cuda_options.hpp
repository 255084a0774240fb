// SPDX-License-Identifier: MIT
// What a CUDA backend can be told. Plain C++: programs see it without CUDA.
#pragma once

#include <cstdint>

#include "base/dtype.hpp"

namespace clip {

/// Who multiplies matrices.
enum class CudaGemm : std::uint8_t { own, cublaslt };

/// Backend::batch_factor() of it: some 25,000 rows fill the multiprocessors of a large GPU several
/// times over.
inline constexpr std::int64_t kCudaBatchFactor = 16;

struct CudaOptions {
    /// The type that training's products run in: f32, f16 or bf16; sums are float32 with each.
    DType compute = DType::f32;
    /// One TF32 product in place of three for float32: faster, with 10 bits of each factor.
    bool tf32 = false;
    CudaGemm gemm = CudaGemm::own;
};

} // namespace clip

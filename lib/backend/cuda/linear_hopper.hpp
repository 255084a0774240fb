// SPDX-License-Identifier: MIT
// The product of linear.cu by the instructions of sm_90a.
#pragma once

#include <cstdint>

#include "backend/cuda/context.hpp"
#include "backend/cuda/gemm_core.hpp"
#include "backend/cuda/gemm_epilogue.hpp"

namespace clip::cuda {

/// An operand (rows, K) of 16 bits.
struct HopperOperand {
    const void* at = nullptr;
    std::int64_t pitch = 0; ///< elements
};

/// Whether the device and the operands, of type `dtype`, are fit for it; the same for every number
/// of rows.
bool takes_linear_hopper(const Context& context, DType dtype, const HopperOperand& x,
                         const HopperOperand& weight, const GemmExtents& extents);

/// x weight^T, given to the epilogue; only where takes_linear_hopper(). Empty results launch
/// nothing.
void launch_linear_hopper(Context& context, DType dtype, const HopperOperand& x,
                          const HopperOperand& weight, const GemmExtents& extents,
                          const ForwardEpilogue& epilogue);

} // namespace clip::cuda

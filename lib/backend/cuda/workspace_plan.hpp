// SPDX-License-Identifier: MIT
// How much of the workspace the backward products of a transformer take: the same sums as in
// linear_backward.cu and patch_embedding_backward.cu, without running, and without CUDA.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backend/cuda/aligned_pitch.hpp"
#include "backend/cuda/gradient_slice.hpp"

namespace clip::cuda {

/// What Workspace::Scope::take() counts.
inline std::int64_t workspace_bytes(std::int64_t bytes) {
    return (bytes + 255) / 256 * 256;
}

/// align_matrix(), of dense rows.
inline std::int64_t operand_bytes(std::int64_t rows, std::int64_t width, DType from, DType to) {
    const std::int64_t pitch = aligned_pitch(width, to);
    if (from == to && pitch == width)
        return 0;
    return workspace_bytes(rows * pitch * static_cast<std::int64_t>(dtype_size(to)));
}

/// launch_weight_gradient()
inline std::int64_t slices_bytes(std::int64_t rows, std::int64_t out, std::int64_t in) {
    const std::int64_t slice = gradient_slice(out, in);
    const std::int64_t slices = slice >= rows ? 1 : (rows + slice - 1) / slice;
    return slices > 1 ? workspace_bytes(slices * out * in * 4) : 0;
}

/// linear_backward() with all of its gradients, in products of type `compute`.
inline std::int64_t linear_backward_bytes(std::int64_t rows, std::int64_t out, std::int64_t in,
                                          DType grad_y, DType x, DType compute) {
    return operand_bytes(rows, out, grad_y, compute) + operand_bytes(out, in, DType::f32, compute) +
           operand_bytes(rows, in, x, compute) + slices_bytes(rows, out, in);
}

/// patch_embedding_backward() of `pictures` of G x G patches of P x P pixels.
inline std::int64_t patch_embedding_backward_bytes(std::int64_t pictures, std::int64_t grid,
                                                   std::int64_t patch, std::int64_t width,
                                                   DType compute) {
    const std::int64_t rows = pictures * grid * grid, elements = 3 * patch * patch;
    const bool in_place = compute == DType::f32 && patch % 4 == 0;
    const std::int64_t copy = in_place
                                  ? 0
                                  : workspace_bytes(rows * aligned_pitch(elements, compute) *
                                                    static_cast<std::int64_t>(dtype_size(compute)));
    return operand_bytes(rows + pictures, width, DType::f32, compute) + copy +
           slices_bytes(rows, width, elements);
}

} // namespace clip::cuda

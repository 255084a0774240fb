// SPDX-License-Identifier: MIT
// Gradients of weights: products over all rows of a batch, added to what is there.
//
// There are few tiles of the result and many rows, so that the rows are cut into slices which are
// summed apart, written to the workspace, and added in their order. How many rows a slice has
// depends on the weight's shape alone: bits do not depend on the device. One slice is added at
// once, without the workspace.
#pragma once

#include <cstdint>

#include "backend/cuda/gemm_core.hpp"
#include "backend/cuda/gemm_epilogue.hpp"
#include "backend/cuda/gradient_slice.hpp"
#include "backend/cuda/row_grid.hpp"

namespace clip::cuda {

// Grid: a thread 4 elements in a row. No shared memory. Adds the slices in their order, then to
// what is there.
static CLIP_KERNEL(256, 4) void add_slices_kernel(Global<float> grad,          // (count)
                                                  Global<const float> partial, // (slices, count)
                                                  std::int64_t slices, std::int64_t count) {
    const std::int64_t first = (std::int64_t{block_x()} * 256 + thread_x()) * 4;
    for (int i = 0; i < 4; ++i) {
        const std::int64_t at = first + i;
        if (at >= count)
            return;
        float sum = 0;
        for (std::int64_t s = 0; s < slices; ++s) {
            const float part = partial[s * count + at];
            sum += part;
        }
        grad[at] += sum;
    }
}

/// grad (out, in) += A B over `rows`; the loaders are of (rows, out) and (rows, in), or what a
/// convolution makes of its pictures.
template <typename Math, typename A, typename B>
void launch_weight_gradient(Context& context, const char* name, float* grad, const A& a, const B& b,
                            std::int64_t rows, std::int64_t out, std::int64_t in) {
    const GemmExtents extents{out, in, rows, gradient_slice(out, in)};
    Workspace::Scope scope(context.workspace());
    GradWeightEpilogue epilogue;
    epilogue.grad = {grad, DType::f32, in};
    float* partial = nullptr;
    if (extents.slices() > 1) {
        partial = scope.take<float>(extents.slices() * out * in);
        epilogue.partial = {partial, DType::f32, in};
        epilogue.rows_of_slice = out;
    }
    launch_gemm<Math>(context, name, extents, a, b, epilogue);
    if (partial != nullptr)
        context.launch("add_slices", add_slices_kernel,
                       {.grid = {blocks_for(out * in, 256 * 4)}, .block = {256}}, grad, partial,
                       extents.slices(), out * in);
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// Cost. Memory bound: 154 MB of pictures of 224 x 224 at batch 256 are read and 77 MB of 16 bits
// written: 116 us on 2.0 TB/s (A100), 70 us on 3.3 TB/s (H100).
#include "backend/cuda/patch_loader.hpp"

#include "backend/cuda/dtype_switch.hpp"
#include "backend/cuda/quad.hpp"
#include "backend/cuda/row_grid.hpp"

namespace clip::cuda {

namespace {

constexpr int kThreads = 256;

// Grid: a thread 4 elements of the copy in a row, padding included. No shared memory. Writes are
// aligned; reads run along the pictures' rows, a few patches' worth at a time.
template <typename T>
CLIP_KERNEL(kThreads, 4)
void copy_patches_kernel(Global<T> to, // (rows, pitch); what is behind a patch is 0
                         Global<const float> pictures, PatchGrid grid, std::int64_t pitch) {
    const std::int64_t index = std::int64_t{block_x()} * kThreads + thread_x();
    if (index >= grid.rows * (pitch / kQuad))
        return;
    const std::int64_t row = index / (pitch / kQuad);
    const std::int64_t first = (index - row * (pitch / kQuad)) * kQuad;
    const std::int64_t origin = grid.origin(static_cast<int>(row));
    Quad quad{};
    for (int e = 0; e < kQuad; ++e)
        if (first + e < grid.width) {
            const float pixel = pictures[origin + grid.offset(static_cast<int>(first) + e)];
            quad.at[e] = pixel;
        }
    store_quad<true>(to + row * pitch, first, pitch, quad);
}

} // namespace

AlignedMatrix copy_patches(Context& context, Workspace::Scope& scope, const float* pictures,
                           const PatchGrid& grid, DType to_type) {
    const std::int64_t pitch = aligned_pitch(grid.width, to_type);
    void* copy =
        scope.take<std::byte>(grid.rows * pitch * static_cast<std::int64_t>(dtype_size(to_type)));
    visit_layer_type(to_type, [&]<typename T>() {
        context.launch(
            "copy_patches", copy_patches_kernel<T>,
            {.grid = {blocks_for(grid.rows * (pitch / kQuad), kThreads)}, .block = {kThreads}},
            static_cast<T*>(copy), pictures, grid, pitch);
    });
    return {copy, grid.rows, grid.width, pitch};
}

} // namespace clip::cuda

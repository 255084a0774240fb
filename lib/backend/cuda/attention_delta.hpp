// SPDX-License-Identifier: MIT
// What the gradients of attention need of y: delta = grad_y . y of every query and head, which is
// the mean of grad_y . v by the weights.
//
// Source: Dao et al. 2022 (arXiv:2205.14135) appendix B.4.
#pragma once

#include <cstdint>

#include "backend/cuda/attention_fragments.hpp"
#include "backend/cuda/attention_tiles.hpp"
#include "backend/cuda/device_api.hpp"

namespace clip::cuda {

template <int Width>
struct DeltaConfig {
    static constexpr int kRows = kAttentionThreads / 2; ///< (query, head) of a block, 16 a warp
    static constexpr int kStride = Width + FloatProducts::kPadding;
    static constexpr int kRowBytes = kRows * kStride * static_cast<int>(sizeof(float));
};

/// delta[i] = grad_y[i] . y[i] of (query, head) i, a warp each. T is what grad_y is rounded to, as
/// other products have it; From is what both are.
///
/// Grid: x ceil(count / 4) blocks of 4 warps. No shared memory. Any alignment. Float32; each lane
/// every 32nd product in order, then a tree, as attention_backward_row_kernel.
template <typename T, typename From>
static CLIP_KERNEL(kAttentionThreads,
                   8) void attention_delta_kernel(Global<float> delta,       // (count)
                                                  Global<const From> grad_y, // (count, width)
                                                  Global<const From> y,      // (count, width)
                                                  std::int64_t count, int width) {
    const std::int64_t i = std::int64_t{block_x()} * (kAttentionThreads / kWarpSize) + warp();
    if (i >= count)
        return;
    float sum = 0;
    for (int c = lane(); c < width; c += kWarpSize) {
        const From a = grad_y[i * width + c], b = y[i * width + c];
        sum = fma(to_float(from_float<T>(to_float(a))), to_float(b), sum);
    }
    CLIP_UNROLL
    for (int mask = 1; mask < kWarpSize; mask *= 2)
        sum += shuffle_xor(sum, mask);
    if (lane() == 0)
        delta[i] = sum;
}

/// The same, for heads that are in tiles, by the products of their scores: the diagonal of
/// grad_y y^T of 16 (query, head) a warp, the rest of which goes to waste in the shadow of memory.
///
/// Grid: x ceil(count / 64). Shared: two matrices of 64 rows. Any alignment.
template <int Width>
static CLIP_KERNEL(kAttentionThreads,
                   2) void attention_delta_tile_kernel(Global<float> delta,        // (count)
                                                       Global<const float> grad_y, // (count, width)
                                                       Global<const float> y,      // (count, width)
                                                       std::int64_t count, int width,
                                                       bool aligned) {
    using C = DeltaConfig<Width>;
    const std::int64_t first = std::int64_t{block_x()} * C::kRows;
    const auto rows = static_cast<int>(min(count - first, std::int64_t{C::kRows}));
    const Shared<float> grads = shared_memory<float>(0), ys = shared_memory<float>(C::kRowBytes);
    load_tile<C::kRows, Width, C::kStride>(
        grads, HeadRows<float>{grad_y + first * width, width, width, aligned}, 0, rows);
    load_tile<C::kRows, Width, C::kStride>(
        ys, HeadRows<float>{y + first * width, width, width, aligned}, 0, rows);
    copy_async_commit();
    copy_async_wait<0>();
    block_barrier();
    float low[4] = {0, 0, 0, 0}, high[4] = {0, 0, 0, 0};
    for (int s = 0; s * 16 < width; ++s) {
        FloatProducts::A a;
        FloatProducts::B b;
        FloatProducts::load_a(a, grads + (warp() * 16 * C::kStride + s * 16), C::kStride);
        FloatProducts::load_b(b, ys + (warp() * 16 * C::kStride + s * 16), C::kStride);
        FloatProducts::multiply(low, high, a, b);
    }
    const int group = lane() / 4, row = warp() * 16 + group;
    if (lane() % 4 != group / 2)
        return; // the diagonal is another lane's
    if (row < rows)
        delta[first + row] = group % 2 == 0 ? low[0] : low[1];
    if (row + 8 < rows)
        delta[first + row + 8] = group % 2 == 0 ? high[2] : high[3];
}

} // namespace clip::cuda

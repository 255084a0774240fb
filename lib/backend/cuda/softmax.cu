// SPDX-License-Identifier: MIT
// Softmax over each row: y = exp(x - max x) / sum of these.
//
// Variants. As for layer_norm: rows of up to 1024 elements a warp each, in registers; longer rows a
// block each, which reads them three times and makes each exponential twice.
//
// Cost. Memory bound, 8 bytes an element: (256, 1000) classes 2 MB, a launch's latency, 3 us.
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/row_grid.hpp"
#include "backend/cuda/warp_reduce.hpp"

namespace clip::cuda {

namespace {

constexpr float kMinusInfinity = -__builtin_huge_valf();

struct SoftmaxRows {
    Global<float> y;       // (rows, width)
    Global<const float> x; // (rows, width); may be y
    std::int64_t rows, width;
};

/// exp(x - largest) of a row's elements, 0 behind it.
CLIP_DEVICE Quad exponentials(const Quad& quad, std::int64_t first, std::int64_t width,
                              float largest) {
    Quad out{};
    for (int e = 0; e < kQuad; ++e)
        if (first + e < width)
            out.at[e] = exp(quad.at[e] - largest);
    return out;
}

/// NaN is passed over here; it makes the sum NaN.
CLIP_DEVICE float largest_of(const Quad& quad, std::int64_t first, std::int64_t width,
                             float largest) {
    for (int e = 0; e < kQuad; ++e)
        if (first + e < width)
            largest = max(largest, quad.at[e]);
    return largest;
}

template <bool kAligned>
CLIP_DEVICE void write_shares(const SoftmaxRows& args, std::int64_t row, std::int64_t first,
                              Quad quad, float sum) {
    for (int e = 0; e < kQuad; ++e)
        quad.at[e] = quad.at[e] / sum;
    store_quad<kAligned>(args.y + row * args.width, first, args.width, quad);
}

// Grid: a warp a row, see row_grid.hpp; width <= kQuads * 128. No shared memory.
template <int kQuads, bool kAligned>
CLIP_KERNEL(kWarpRowThreads, 4)
void softmax_warp_kernel(SoftmaxRows args) {
    const std::int64_t row = std::int64_t{block_x()} * kWarpRows + warp();
    if (row >= args.rows)
        return;
    const Global<const float> x = args.x + row * args.width;
    Quad values[kQuads];
    for (int i = 0; i < kQuads; ++i)
        values[i] = first_of_lane(i) < args.width
                        ? load_quad<kAligned>(x, first_of_lane(i), args.width)
                        : Quad{};
    float largest = kMinusInfinity;
    for (int i = 0; i < kQuads; ++i)
        largest = largest_of(values[i], first_of_lane(i), args.width, largest);
    largest = warp_max(largest);
    float sum = 0;
    for (int i = 0; i < kQuads; ++i) {
        values[i] = exponentials(values[i], first_of_lane(i), args.width, largest);
        sum += sum_of(values[i]);
    }
    sum = warp_sum(sum);
    for (int i = 0; i < kQuads; ++i)
        if (first_of_lane(i) < args.width)
            write_shares<kAligned>(args, row, first_of_lane(i), values[i], sum);
}

// Grid: a block a row. Shared memory: a float a warp for the maximum, and for the sum.
template <bool kAligned>
CLIP_KERNEL(kBlockRowThreads, 4)
void softmax_block_kernel(SoftmaxRows args) {
    const Shared<float> scratch = shared_memory<float>(0);
    const std::int64_t row = block_x();
    const Global<const float> x = args.x + row * args.width;
    float largest = kMinusInfinity, sum = 0;
    for (std::int64_t first = first_of_thread(); first < args.width; first += kBlockRowStep)
        largest = largest_of(load_quad<kAligned>(x, first, args.width), first, args.width, largest);
    largest = block_max<kBlockRowWarps>(largest, scratch);
    for (std::int64_t first = first_of_thread(); first < args.width; first += kBlockRowStep)
        sum += sum_of(
            exponentials(load_quad<kAligned>(x, first, args.width), first, args.width, largest));
    sum = block_sum<kBlockRowWarps>(sum, scratch + kBlockRowWarps);
    for (std::int64_t first = first_of_thread(); first < args.width; first += kBlockRowStep)
        write_shares<kAligned>(
            args, row, first,
            exponentials(load_quad<kAligned>(x, first, args.width), first, args.width, largest),
            sum);
}

} // namespace

void CudaBackend::softmax(const SoftmaxArgs& args) {
    const SoftmaxRows rows{args.y.f32(), args.x.f32(), args.x.shape[0], args.x.shape[1]};
    const bool aligned = fits_quads(rows.width, args.y.f32(), args.x.f32());
    visit_row_variant(rows.width, aligned, [&]<int kQuads, bool kAligned>() {
        if constexpr (kQuads == 0)
            context_.launch("softmax_block", softmax_block_kernel<kAligned>,
                            block_rows(rows.rows, 2 * kBlockRowWarps * sizeof(float)), rows);
        else
            context_.launch("softmax_warp", softmax_warp_kernel<kQuads, kAligned>,
                            warp_rows(rows.rows), rows);
    });
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// y = (x - mean) * rstd * gamma + beta, row by row, with rstd = 1 / sqrt(variance + eps).
//
// Variants. Rows of up to 1024 elements: a warp a row, the row in registers, so that both passes of
// the statistics are free of memory. Longer rows: a block a row, which it reads three times, of
// which two come from L1. Rows that do not begin at multiples of 4 elements are read element by
// element, with the same bits.
//
// Cost. Memory bound: 4 bytes read and 4 (16-bit y: 2) written an element; gamma and beta come from
// L1. Batch 256 on 2.0 TB/s (A100) or 3.3 TB/s (H100), y 16-bit:
//   ViT-B/32 (12,800 rows of 768):    59 MB, 30 or 18 us
//   ViT-L/14 (65,792 rows of 1024):  404 MB, 202 or 122 us
//
// Source: Ba et al. 2016 (arXiv:1607.06450) eq. 3; two passes in float32 as in backend/ref.
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/dtype_switch.hpp"
#include "backend/cuda/quad.hpp"
#include "backend/cuda/row_grid.hpp"
#include "backend/cuda/warp_reduce.hpp"

namespace clip::cuda {

namespace {

template <typename T>
struct LayerNormRows {
    Global<T> y;                     // (rows, width)
    Global<float> mean;              // (rows) or null
    Global<float> rstd;              // (rows) or null
    Global<const float> x;           // (rows, width); may be y
    Global<const float> gamma, beta; // (width)
    std::int64_t rows, width;
    float eps;
};

template <typename T>
CLIP_DEVICE void save_statistics(const LayerNormRows<T>& args, std::int64_t row, float mean,
                                 float rstd) {
    if (!(args.mean == nullptr))
        args.mean[row] = mean;
    if (!(args.rstd == nullptr))
        args.rstd[row] = rstd;
}

template <typename T, bool kAligned>
CLIP_DEVICE void write_normed(const LayerNormRows<T>& args, std::int64_t row, std::int64_t first,
                              const Quad& centred, float rstd) {
    const Quad gamma = load_quad<kAligned>(args.gamma, first, args.width);
    const Quad beta = load_quad<kAligned>(args.beta, first, args.width);
    Quad normed{};
    for (int e = 0; e < kQuad; ++e)
        normed.at[e] = centred.at[e] * rstd * gamma.at[e] + beta.at[e];
    store_quad<kAligned>(args.y + row * args.width, first, args.width, normed);
}

// Grid: a warp a row, kWarpRows rows a block. width <= kQuads * 128. Lane l has the quads l, l +
// 32,
// ... of its row. No shared memory. Sums: a lane's quads in order, then a butterfly.
template <typename T, int kQuads, bool kAligned>
CLIP_KERNEL(kWarpRowThreads, 5)
void layer_norm_warp_kernel(LayerNormRows<T> args) {
    const std::int64_t row = std::int64_t{block_x()} * kWarpRows + warp();
    if (row >= args.rows)
        return;
    const Global<const float> x = args.x + row * args.width;
    const auto count = static_cast<float>(args.width);
    Quad values[kQuads];
    float sum = 0;
    for (int i = 0; i < kQuads; ++i) {
        const std::int64_t first = first_of_lane(i);
        values[i] = first < args.width ? load_quad<kAligned>(x, first, args.width) : Quad{};
    }
    for (int i = 0; i < kQuads; ++i)
        sum += sum_of(values[i]);
    const float mean = warp_sum(sum) / count;
    float squares = 0;
    for (int i = 0; i < kQuads; ++i) {
        Quad square{};
        for (int e = 0; e < kQuad; ++e) {
            values[i].at[e] -= mean;
            if (first_of_lane(i) + e < args.width) // what is behind the row is not at its mean
                square.at[e] = values[i].at[e] * values[i].at[e];
        }
        squares += sum_of(square);
    }
    const float rstd = 1.0F / sqrt(warp_sum(squares) / count + args.eps);
    for (int i = 0; i < kQuads; ++i)
        if (first_of_lane(i) < args.width)
            write_normed<T, kAligned>(args, row, first_of_lane(i), values[i], rstd);
    if (lane() == 0)
        save_statistics(args, row, mean, rstd);
}

// Grid: a block a row. Thread t has the quads t, t + kBlockRowThreads, ... Shared memory: a float a
// warp for each of two sums. Sums: a thread's quads in order, a butterfly, then the warps in order.
template <typename T, bool kAligned>
CLIP_KERNEL(kBlockRowThreads, 4)
void layer_norm_block_kernel(LayerNormRows<T> args) {
    const Shared<float> scratch = shared_memory<float>(0);
    const std::int64_t row = block_x();
    const Global<const float> x = args.x + row * args.width;
    const auto count = static_cast<float>(args.width);
    float sum = 0;
    for (std::int64_t first = first_of_thread(); first < args.width; first += kBlockRowStep)
        sum += sum_of(load_quad<kAligned>(x, first, args.width));
    const float mean = block_sum<kBlockRowWarps>(sum, scratch) / count;
    float squares = 0;
    for (std::int64_t first = first_of_thread(); first < args.width; first += kBlockRowStep) {
        Quad square = load_quad<kAligned>(x, first, args.width);
        for (int e = 0; e < kQuad; ++e) {
            const float centred = square.at[e] - mean;
            square.at[e] = first + e < args.width ? centred * centred : 0.0F;
        }
        squares += sum_of(square);
    }
    squares = block_sum<kBlockRowWarps>(squares, scratch + kBlockRowWarps);
    const float rstd = 1.0F / sqrt(squares / count + args.eps);
    for (std::int64_t first = first_of_thread(); first < args.width; first += kBlockRowStep) {
        Quad centred = load_quad<kAligned>(x, first, args.width);
        for (int e = 0; e < kQuad; ++e)
            centred.at[e] -= mean;
        write_normed<T, kAligned>(args, row, first, centred, rstd);
    }
    if (thread_x() == 0)
        save_statistics(args, row, mean, rstd);
}

template <typename T>
void launch_layer_norm(Context& context, const LayerNormArgs& args) {
    const LayerNormRows<T> rows{args.y.as<T>(),  args.mean.as<float>(), args.rstd.as<float>(),
                                args.x.f32(),    args.gamma.f32(),      args.beta.f32(),
                                args.x.shape[0], args.x.shape[1],       args.eps};
    const bool aligned =
        fits_quads(rows.width, args.y.as<T>(), args.x.f32(), args.gamma.f32(), args.beta.f32());
    visit_row_variant(rows.width, aligned, [&]<int kQuads, bool kAligned>() {
        if constexpr (kQuads == 0)
            context.launch("layer_norm_block", layer_norm_block_kernel<T, kAligned>,
                           block_rows(rows.rows, 2 * kBlockRowWarps * sizeof(float)), rows);
        else
            context.launch("layer_norm_warp", layer_norm_warp_kernel<T, kQuads, kAligned>,
                           warp_rows(rows.rows), rows);
    });
}

} // namespace

void CudaBackend::layer_norm(const LayerNormArgs& args) {
    visit_layer_type(args.y.dtype, [&]<typename T>() { launch_layer_norm<T>(context_, args); });
}

} // namespace clip::cuda

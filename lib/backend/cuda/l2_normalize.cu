// SPDX-License-Identifier: MIT
// y = x / max(|x|, 1e-12), row by row, and its gradient
// grad_x = (grad_y - y (y . grad_y)) / |x|; where |x| was below 1e-12, grad_y / 1e-12.
//
// Variants. As for layer_norm: rows of up to 1024 elements a warp each, in registers; longer rows a
// block each, which reads them twice.
//
// Cost. Memory bound, 8 bytes an element forward and 12 backward. It runs once a batch on (256,
// 512) or (256, 768): a launch's latency, 3 us.
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/row_grid.hpp"
#include "backend/cuda/warp_reduce.hpp"

namespace clip::cuda {

namespace {

constexpr float kLeastNorm = 1e-12F;

struct NormalizeRows {
    Global<float> y;       // (rows, width)
    Global<float> norms;   // (rows) or null
    Global<const float> x; // (rows, width); may be y
    std::int64_t rows, width;
};

struct NormalizeBackwardRows {
    Global<float> grad_x;       // (rows, width)
    Global<const float> y;      // (rows, width)
    Global<const float> norms;  // (rows)
    Global<const float> grad_y; // (rows, width); may be grad_x
    std::int64_t rows, width;
};

CLIP_DEVICE float sum_of_products(const Quad& a, const Quad& b) {
    return sum_of({{a.at[0] * b.at[0], a.at[1] * b.at[1], a.at[2] * b.at[2], a.at[3] * b.at[3]}});
}

/// The norm of `squares`' root, saved by one thread; gives the divisor. A NaN stays one.
CLIP_DEVICE float divisor_of(const NormalizeRows& args, std::int64_t row, float squares,
                             bool saves) {
    const float norm = sqrt(squares);
    if (saves && !(args.norms == nullptr))
        args.norms[row] = norm;
    return norm < kLeastNorm ? kLeastNorm : norm;
}

template <bool kAligned>
CLIP_DEVICE void write_divided(const NormalizeRows& args, std::int64_t row, std::int64_t first,
                               Quad quad, float divisor) {
    for (int e = 0; e < kQuad; ++e)
        quad.at[e] = quad.at[e] / divisor;
    store_quad<kAligned>(args.y + row * args.width, first, args.width, quad);
}

// Grid: a warp a row, see row_grid.hpp; width <= kQuads * 128. No shared memory.
template <int kQuads, bool kAligned>
CLIP_KERNEL(kWarpRowThreads, 8)
void l2_normalize_warp_kernel(NormalizeRows args) {
    const std::int64_t row = std::int64_t{block_x()} * kWarpRows + warp();
    if (row >= args.rows)
        return;
    const Global<const float> x = args.x + row * args.width;
    Quad values[kQuads];
    for (int i = 0; i < kQuads; ++i)
        values[i] = first_of_lane(i) < args.width
                        ? load_quad<kAligned>(x, first_of_lane(i), args.width)
                        : Quad{};
    float squares = 0;
    for (int i = 0; i < kQuads; ++i)
        squares += sum_of_products(values[i], values[i]);
    const float divisor = divisor_of(args, row, warp_sum(squares), lane() == 0);
    for (int i = 0; i < kQuads; ++i)
        if (first_of_lane(i) < args.width)
            write_divided<kAligned>(args, row, first_of_lane(i), values[i], divisor);
}

// Grid: a block a row. Shared memory: a float a warp.
template <bool kAligned>
CLIP_KERNEL(kBlockRowThreads, 4)
void l2_normalize_block_kernel(NormalizeRows args) {
    const std::int64_t row = block_x();
    const Global<const float> x = args.x + row * args.width;
    float squares = 0;
    for (std::int64_t first = first_of_thread(); first < args.width; first += kBlockRowStep) {
        const Quad quad = load_quad<kAligned>(x, first, args.width);
        squares += sum_of_products(quad, quad);
    }
    squares = block_sum<kBlockRowWarps>(squares, shared_memory<float>(0));
    const float divisor = divisor_of(args, row, squares, thread_x() == 0);
    for (std::int64_t first = first_of_thread(); first < args.width; first += kBlockRowStep)
        write_divided<kAligned>(args, row, first, load_quad<kAligned>(x, first, args.width),
                                divisor);
}

template <bool kAligned>
CLIP_DEVICE void write_gradient(const NormalizeBackwardRows& args, std::int64_t row,
                                std::int64_t first, const Quad& y, const Quad& grad_y, float along,
                                float divisor) {
    Quad grad{};
    for (int e = 0; e < kQuad; ++e)
        grad.at[e] = (grad_y.at[e] - y.at[e] * along) / divisor;
    store_quad<kAligned>(args.grad_x + row * args.width, first, args.width, grad);
}

// Grid: a warp a row; width <= kQuads * 128. No shared memory.
template <int kQuads, bool kAligned>
CLIP_KERNEL(kWarpRowThreads, 5)
void l2_normalize_backward_warp_kernel(NormalizeBackwardRows args) {
    const std::int64_t row = std::int64_t{block_x()} * kWarpRows + warp();
    if (row >= args.rows)
        return;
    const std::int64_t at = row * args.width;
    Quad y[kQuads], grad_y[kQuads];
    for (int i = 0; i < kQuads; ++i) {
        const bool inside = first_of_lane(i) < args.width;
        y[i] = inside ? load_quad<kAligned>(args.y + at, first_of_lane(i), args.width) : Quad{};
        grad_y[i] =
            inside ? load_quad<kAligned>(args.grad_y + at, first_of_lane(i), args.width) : Quad{};
    }
    float along = 0;
    for (int i = 0; i < kQuads; ++i)
        along += sum_of_products(y[i], grad_y[i]);
    along = warp_sum(along);
    const float norm = args.norms[row];
    const bool constant = norm < kLeastNorm; // the divisor then does not depend on x
    for (int i = 0; i < kQuads; ++i)
        if (first_of_lane(i) < args.width)
            write_gradient<kAligned>(args, row, first_of_lane(i), y[i], grad_y[i],
                                     constant ? 0.0F : along, constant ? kLeastNorm : norm);
}

// Grid: a block a row. Shared memory: a float a warp.
template <bool kAligned>
CLIP_KERNEL(kBlockRowThreads, 3)
void l2_normalize_backward_block_kernel(NormalizeBackwardRows args) {
    const std::int64_t row = block_x(), at = row * args.width;
    float along = 0;
    for (std::int64_t first = first_of_thread(); first < args.width; first += kBlockRowStep)
        along += sum_of_products(load_quad<kAligned>(args.y + at, first, args.width),
                                 load_quad<kAligned>(args.grad_y + at, first, args.width));
    along = block_sum<kBlockRowWarps>(along, shared_memory<float>(0));
    const float norm = args.norms[row];
    const bool constant = norm < kLeastNorm;
    for (std::int64_t first = first_of_thread(); first < args.width; first += kBlockRowStep)
        write_gradient<kAligned>(args, row, first,
                                 load_quad<kAligned>(args.y + at, first, args.width),
                                 load_quad<kAligned>(args.grad_y + at, first, args.width),
                                 constant ? 0.0F : along, constant ? kLeastNorm : norm);
}

} // namespace

void CudaBackend::l2_normalize(const L2NormalizeArgs& args) {
    const NormalizeRows rows{args.y.f32(), args.norms.f32(), args.x.f32(), args.x.shape[0],
                             args.x.shape[1]};
    const bool aligned = fits_quads(rows.width, args.y.f32(), args.x.f32());
    visit_row_variant(rows.width, aligned, [&]<int kQuads, bool kAligned>() {
        if constexpr (kQuads == 0)
            context_.launch("l2_normalize_block", l2_normalize_block_kernel<kAligned>,
                            block_rows(rows.rows, kBlockRowWarps * sizeof(float)), rows);
        else
            context_.launch("l2_normalize_warp", l2_normalize_warp_kernel<kQuads, kAligned>,
                            warp_rows(rows.rows), rows);
    });
}

void CudaBackend::l2_normalize_backward(const L2NormalizeBackwardArgs& args) {
    const NormalizeBackwardRows rows{args.grad_x.f32(), args.y.f32(),    args.norms.f32(),
                                     args.grad_y.f32(), args.y.shape[0], args.y.shape[1]};
    const bool aligned = fits_quads(rows.width, args.grad_x.f32(), args.y.f32(), args.grad_y.f32());
    visit_row_variant(rows.width, aligned, [&]<int kQuads, bool kAligned>() {
        if constexpr (kQuads == 0)
            context_.launch("l2_normalize_backward_block",
                            l2_normalize_backward_block_kernel<kAligned>,
                            block_rows(rows.rows, kBlockRowWarps * sizeof(float)), rows);
        else
            context_.launch("l2_normalize_backward_warp",
                            l2_normalize_backward_warp_kernel<kQuads, kAligned>,
                            warp_rows(rows.rows), rows);
    });
}

} // namespace clip::cuda

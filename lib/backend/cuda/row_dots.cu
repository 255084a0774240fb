// SPDX-License-Identifier: MIT
// dots[r] = x[r] . y[r] in float64, for the host.
//
// Cost. Memory bound, 8 bytes an element; the host waits for the result anyway: 20 us.
#include <vector>

#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/row_grid.hpp"
#include "backend/cuda/warp_reduce.hpp"

namespace clip::cuda {

namespace {

constexpr int kThreads = 128;

// Grid: a block a row. Thread t has the quads t, t + kThreads, ... Shared memory: a double a
// thread. Sums: a thread's elements in order, then a tree over threads; float64 holds each product
// exactly.
template <bool kAligned>
CLIP_KERNEL(kThreads, 8)
void row_dots_kernel(Global<double> dots, Global<const float> x, Global<const float> y,
                     std::int64_t width) {
    const std::int64_t row = block_x();
    double sum = 0;
    for (std::int64_t first = first_of_thread(); first < width; first += kThreads * kQuad) {
        const Quad a = load_quad<kAligned>(x + row * width, first, width);
        const Quad b = load_quad<kAligned>(y + row * width, first, width);
        for (int e = 0; e < kQuad; ++e)
            sum += static_cast<double>(a.at[e]) * static_cast<double>(b.at[e]);
    }
    sum = block_sum_f64<kThreads>(sum, shared_memory<double>(0));
    if (thread_x() == 0)
        dots[row] = sum;
}

} // namespace

void CudaBackend::row_dots(const RowDotsArgs& args) {
    const std::int64_t rows = args.x.shape[0], width = args.x.shape[1];
    const bool aligned = fits_quads(width, args.x.f32(), args.y.f32());
    Workspace::Scope scope(context_.workspace());
    double* dots = scope.take<double>(rows);
    context_.launch("row_dots", aligned ? row_dots_kernel<true> : row_dots_kernel<false>,
                    {.grid = {static_cast<unsigned>(rows)},
                     .block = {kThreads},
                     .shared_bytes = kThreads * sizeof(double)},
                    dots, args.x.f32(), args.y.f32(), width);
    context_.transfer().download(args.dots.data(), dots, args.dots.size_bytes());
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// y[i] = x[rows[i]]; its gradient, and y[rows[i]] += x[i], by scatter_rows.cu.
//
// Variants. Rows of whole 16 bytes are copied in these, others in elements of 4 or 2 bytes.
//
// Cost. Memory bound, each row read and written once: pooled rows (256, 768) 1.6 MB, a launch's
// latency, 3 us. The gradient clears all of grad_x first: (12,800, 768) 39 MB, 20 us on A100.
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/row_grid.hpp"
#include "backend/cuda/scatter_rows.hpp"

namespace clip::cuda {

namespace {

// Grid: a warp a row of y, see row_grid.hpp; a lane moves N elements of Word at a time, and `width`
// counts these. No shared memory.
template <typename Word, int N>
CLIP_KERNEL(kWarpRowThreads, 8)
void gather_rows_kernel(Global<Word> y, Global<const Word> x, Global<const std::int64_t> rows,
                        std::int64_t count, std::int64_t width) {
    const std::int64_t row = std::int64_t{block_x()} * kWarpRows + warp();
    if (row >= count)
        return;
    const std::int64_t from = rows[row];
    for (std::int64_t i = lane(); i < width; i += kWarpSize)
        store(y + (row * width + i) * N, load<N>(x + (from * width + i) * N));
}

template <typename Word, int N>
void launch_gather(Context& context, const GatherRowsArgs& args) {
    const std::int64_t bytes =
        args.x.shape[1] * static_cast<std::int64_t>(dtype_size(args.x.dtype));
    context.launch("gather_rows", gather_rows_kernel<Word, N>, warp_rows(args.y.shape[0]),
                   args.y.as<Word>(), args.x.as<Word>(), context.on_device(args.rows),
                   args.y.shape[0], bytes / (N * static_cast<std::int64_t>(sizeof(Word))));
}

} // namespace

void CudaBackend::gather_rows(const GatherRowsArgs& args) {
    const std::int64_t bytes =
        args.x.shape[1] * static_cast<std::int64_t>(dtype_size(args.x.dtype));
    if (bytes % 16 == 0 &&
        fits_quads(bytes / 4, args.y.as<std::uint32_t>(), args.x.as<std::uint32_t>()))
        launch_gather<std::uint32_t, kQuad>(context_, args);
    else if (dtype_size(args.x.dtype) == 4)
        launch_gather<std::uint32_t, 1>(context_, args);
    else
        launch_gather<std::uint16_t, 1>(context_, args);
}

void CudaBackend::gather_rows_backward(const GatherRowsBackwardArgs& args) {
    const Shape& shape = args.grad_x.shape;
    fill_device(args.grad_x.data, 0, args.grad_x.bytes(), context_.stream());
    scatter_rows(context_, args.grad_x.f32(), args.grad_y.f32(), args.rows, shape[0], shape[1],
                 ScatterOrder::chain);
}

void CudaBackend::scatter_add_rows(const ScatterAddRowsArgs& args) {
    scatter_rows(context_, args.y.dtype, args.y.data, args.x.data, args.rows, args.y.shape[0],
                 args.y.shape[1]);
}

} // namespace clip::cuda

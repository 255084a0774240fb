// SPDX-License-Identifier: MIT
// The tokens of the attention pool, y[n] = [mean over places of x[n]; x[n]] + positions, and their
// gradients: grad_x[n, l] = grad_y[n, l + 1] + grad_y[n, 0] / L, grad_positions += grad_y over n.
//
// A block has one picture and a tile of its width, so that x is read once: 8 threads share the
// places, and each has 4 elements (1 where rows are no whole vectors). Sums in float32, of every
// eighth place first: a tree that depends on L alone.
//
// Cost: x is read and y written once: RN50, batch 256 (49 places of 2048): 0.2 GB in float32, 0.10
// ms at 2.0 TB/s (A100), 0.06 ms at 3.3 TB/s (H100). Backward: grad_y twice, grad_x once: 0.3 GB,
// 0.16 and 0.10 ms.
// Source: Radford et al. 2021, section 2.4 (attention pooling).
#include "backend/cuda/column_totals.hpp"
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/dtype_switch.hpp"
#include "backend/cuda/vector_access.hpp"

namespace clip::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kWidth = 4;
/// Threads beside each other along the width, and threads that share places.
constexpr int kLanes = 32;
constexpr int kPlaceLanes = kThreads / kLanes;

LaunchShape tile_shape(std::int64_t pictures, std::int64_t columns, int width) {
    const std::int64_t tile = std::int64_t{kLanes} * width;
    return {{static_cast<unsigned>(pictures), static_cast<unsigned>((columns + tile - 1) / tile)},
            {kThreads},
            sizeof(float) * kThreads * static_cast<std::size_t>(width)};
}

/// y (N, places + 1, columns) from x (N, places, columns) and positions (places + 1, columns), all
/// aligned to Width elements. Grid and shared memory: tile_shape().
template <typename X, typename Y, int Width>
CLIP_KERNEL(kThreads, 4)
void mean_token_kernel(Global<Y> y, Global<const X> x, Global<const float> positions, int places,
                       int columns) {
    const int own_lane = thread_x() % kLanes, place_lane = thread_x() / kLanes;
    const int column = (block_y() * kLanes + own_lane) * Width;
    const Global<const X> from = x + std::int64_t{block_x()} * places * columns + column;
    const Global<Y> to = y + std::int64_t{block_x()} * (places + 1) * columns + column;
    const Global<const float> shift = positions + column;
    float sums[Width] = {};
    if (column < columns)
        for (int l = place_lane; l < places; l += kPlaceLanes) {
            float values[Width], shifts[Width];
            load_floats(values, from + std::int64_t{l} * columns);
            load_floats(shifts, shift + (std::int64_t{l} + 1) * columns);
            for (int w = 0; w < Width; ++w) {
                sums[w] += values[w];
                values[w] += shifts[w];
            }
            store_floats(to + (std::int64_t{l} + 1) * columns, values);
        }
    const Shared<float> lanes = shared_memory<float>(0); // (kPlaceLanes, Width, kLanes)
    for (int w = 0; w < Width; ++w)
        lanes[(place_lane * Width + w) * kLanes + own_lane] = sums[w];
    block_barrier();
    if (place_lane != 0 || column >= columns)
        return;
    float shifts[Width];
    load_floats(shifts, shift);
    for (int w = 0; w < Width; ++w) {
        float sum = 0;
        for (int other = 0; other < kPlaceLanes; ++other) {
            const float part = lanes[(other * Width + w) * kLanes + own_lane];
            sum += part;
        }
        sums[w] = sum / static_cast<float>(places) + shifts[w];
    }
    store_floats(to, sums);
}

/// grad_x (N, places, columns) from grad_y (N, places + 1, columns), both aligned to Width
/// elements. Grid: tile_shape().
template <int Width>
CLIP_KERNEL(kThreads, 4)
void mean_token_backward_kernel(Global<float> grad_x, Global<const float> grad_y, int places,
                                int columns) {
    const int column = (block_y() * kLanes + thread_x() % kLanes) * Width;
    if (column >= columns)
        return;
    const Global<const float> from =
        grad_y + std::int64_t{block_x()} * (places + 1) * columns + column;
    const Global<float> to = grad_x + std::int64_t{block_x()} * places * columns + column;
    float means[Width];
    load_floats(means, from);
    for (int w = 0; w < Width; ++w)
        means[w] /= static_cast<float>(places);
    for (int l = thread_x() / kLanes; l < places; l += kPlaceLanes) {
        float values[Width];
        load_floats(values, from + (std::int64_t{l} + 1) * columns);
        for (int w = 0; w < Width; ++w)
            values[w] += means[w];
        store_floats(to + std::int64_t{l} * columns, values);
    }
}

template <typename X, typename Y, int Width>
void launch_mean_token(Context& context, const MeanTokenArgs& args) {
    const Shape& x = args.x.shape;
    context.launch("mean_token", mean_token_kernel<X, Y, Width>, tile_shape(x[0], x[2], Width),
                   args.y.as<Y>(), args.x.as<X>(), args.positions.f32(), static_cast<int>(x[1]),
                   static_cast<int>(x[2]));
}

} // namespace

void CudaBackend::mean_token(const MeanTokenArgs& args) {
    const bool vectors =
        takes_vectors(kWidth, args.x.shape[2], {args.x.data, args.positions.data, args.y.data});
    visit_layer_type(args.x.dtype, [&]<typename X>() {
        visit_layer_type(args.y.dtype, [&]<typename Y>() {
            if (vectors)
                launch_mean_token<X, Y, kWidth>(context_, args);
            else
                launch_mean_token<X, Y, 1>(context_, args);
        });
    });
}

void CudaBackend::mean_token_backward(const MeanTokenBackwardArgs& args) {
    const std::int64_t pictures = args.grad_y.shape[0], tokens = args.grad_y.shape[1];
    const std::int64_t width = args.grad_y.shape[2];
    const float* grad_y = args.grad_y.f32();
    if (!args.grad_x.empty()) {
        const bool vectors = takes_vectors(kWidth, width, {grad_y, args.grad_x.data});
        context_.launch("mean_token_backward",
                        vectors ? mean_token_backward_kernel<kWidth>
                                : mean_token_backward_kernel<1>,
                        tile_shape(pictures, width, vectors ? kWidth : 1), args.grad_x.f32(),
                        grad_y, static_cast<int>(tokens - 1), static_cast<int>(width));
    }
    if (!args.grad_positions.empty())
        add_column_totals(context_, {args.grad_positions.f32()}, grad_y, DType::f32, pictures,
                          tokens * width, tokens * width);
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// Mean over non-overlapping windows of channels-last pictures, and its gradient. What does not fill
// a window is left out, and gets the gradient 0.
//
// Variants: a thread has 16 bytes of channels where rows are whole vectors, else one; windows of 2
// (all of CLIP's) are unrolled, so that a thread's four loads are in flight together.
//
// Cost: x is read and y written once: RN50's stem, batch 256 (112 x 112 x 64 -> 56 x 56 x 64): 1.03
// GB in float32, 0.51 GB in 16 bits; 0.5 and 0.26 ms at 2.0 TB/s (A100), 0.3 and 0.16 ms at 3.3
// TB/s (H100). All pools of RN50: 3.6 times as much. Backward: the same bytes in float32.
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/dtype_switch.hpp"
#include "backend/cuda/vector_access.hpp"

namespace clip::cuda {

namespace {

constexpr int kThreads = 256;

/// Extents of pictures (height, width, channels) and of what their windows make.
struct PoolSize {
    int height = 0, width = 0, channels = 0;
    int out_height = 0, out_width = 0;
    int window = 0;
};

/// A block: kThreads vectors of a line of pixels; the lines of all pictures are block_x.
LaunchShape line_shape(std::int64_t pictures, int lines, int pixels, int channels, int width) {
    const std::int64_t vectors = std::int64_t{pixels} * channels / width;
    return {{static_cast<unsigned>(pictures * lines),
             static_cast<unsigned>((vectors + kThreads - 1) / kThreads)},
            {kThreads}};
}

/// y (N, out_height, out_width, channels) from x (N, height, width, channels), both aligned to
/// Width elements. Window: the window's side, 0 where it is not known. Grid: line_shape() of y.
/// Sums in float32 by rows of the window.
template <typename T, int Width, int Window>
CLIP_KERNEL(kThreads, 4)
void avg_pool_kernel(Global<T> y, Global<const T> x, PoolSize size) {
    const int window = Window > 0 ? Window : size.window;
    const int vectors = size.channels / Width;
    const int at = block_y() * kThreads + thread_x();
    const int column = at / vectors;
    if (column >= size.out_width)
        return;
    const int c = at % vectors * Width;
    const int picture = block_x() / size.out_height, line = block_x() % size.out_height;
    const std::int64_t row = std::int64_t{size.width} * size.channels;
    const Global<const T> from = x + (std::int64_t{picture} * size.height + line * window) * row +
                                 std::int64_t{column} * window * size.channels + c;
    float sums[Width] = {};
    for (int i = 0; i < window; ++i)
        for (int j = 0; j < window; ++j) {
            float values[Width];
            load_floats(values, from + (i * row + std::int64_t{j} * size.channels));
            for (int w = 0; w < Width; ++w)
                sums[w] += values[w];
        }
    for (int w = 0; w < Width; ++w)
        sums[w] /= static_cast<float>(window * window);
    store_floats(y + ((std::int64_t{block_x()} * size.out_width + column) * size.channels + c),
                 sums);
}

/// grad_x (N, height, width, channels) from grad_y (N, out_height, out_width, channels), both
/// aligned to Width elements. Grid: line_shape() of grad_x.
template <int Width>
CLIP_KERNEL(kThreads, 4)
void avg_pool_backward_kernel(Global<float> grad_x, Global<const float> grad_y, PoolSize size) {
    const int vectors = size.channels / Width;
    const int at = block_y() * kThreads + thread_x();
    const int column = at / vectors;
    if (column >= size.width)
        return;
    const int c = at % vectors * Width;
    const int picture = block_x() / size.height, line = block_x() % size.height;
    const int pooled_line = line / size.window, pooled_column = column / size.window;
    float values[Width] = {};
    if (pooled_line < size.out_height && pooled_column < size.out_width) {
        const std::int64_t place =
            (std::int64_t{picture} * size.out_height + pooled_line) * size.out_width +
            pooled_column;
        load_floats(values, grad_y + (place * size.channels + c));
        for (int w = 0; w < Width; ++w)
            values[w] /= static_cast<float>(size.window * size.window);
    }
    store_floats(grad_x + ((std::int64_t{block_x()} * size.width + column) * size.channels + c),
                 values);
}

/// `x` as it goes into the pool.
PoolSize pool_size(const Shape& x, int window) {
    return {static_cast<int>(x[1]),          static_cast<int>(x[2]),
            static_cast<int>(x[3]),          static_cast<int>(x[1] / window),
            static_cast<int>(x[2] / window), window};
}

template <typename T, int Width>
void launch_avg_pool(Context& context, const AvgPoolArgs& args) {
    const PoolSize size = pool_size(args.x.shape, args.window);
    context.launch(
        "avg_pool", size.window == 2 ? avg_pool_kernel<T, Width, 2> : avg_pool_kernel<T, Width, 0>,
        line_shape(args.x.shape[0], size.out_height, size.out_width, size.channels, Width),
        args.y.as<T>(), args.x.as<T>(), size);
}

} // namespace

void CudaBackend::avg_pool(const AvgPoolArgs& args) {
    visit_layer_type(args.x.dtype, [&]<typename T>() {
        constexpr int kWidth = kElementsOfAccess<T>;
        if (takes_vectors(kWidth, args.x.shape[3], {args.x.data, args.y.data}))
            launch_avg_pool<T, kWidth>(context_, args);
        else
            launch_avg_pool<T, 1>(context_, args);
    });
}

void CudaBackend::avg_pool_backward(const AvgPoolBackwardArgs& args) {
    constexpr int kWidth = kElementsOfAccess<float>;
    const PoolSize size = pool_size(args.grad_x.shape, args.window);
    const bool vectors = takes_vectors(kWidth, size.channels, {args.grad_x.data, args.grad_y.data});
    context_.launch("avg_pool_backward",
                    vectors ? avg_pool_backward_kernel<kWidth> : avg_pool_backward_kernel<1>,
                    line_shape(args.grad_x.shape[0], size.height, size.width, size.channels,
                               vectors ? kWidth : 1),
                    args.grad_x.f32(), args.grad_y.f32(), size);
}

} // namespace clip::cuda

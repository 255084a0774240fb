// SPDX-License-Identifier: MIT
// Gradients of a convolution of channels-last pictures, each one product:
//
//   grad_x       (pixels, C_in) = the windows of grad_y that a pixel is in, times the weights with
//                the kernel turned round (the transposed convolution); each pixel gathers, so that
//                nothing is added by two threads
//   grad_weight  (C_out, taps * C_in) += grad_y^T times the windows of x; places are the inner
//                index, cut into slices whose products are added up in their order
//   grad_bias    sums over places in float64 (column_totals.cu)
//
// Activations come as float32 and are multiplied in the type of CudaOptions::compute, converted
// first where that is another. Variants as for conv2d; with a stride, windows of grad_y have holes.
//
// Cost: twice the FLOP of the forward. RN50, batch 256: 5.6 TFLOP in 16 bits: 32 ms at 175 TFLOP/s
// (A100), 14 ms at 400 (H100), and for each layer 6 bytes an element of x and of grad_y to convert.
// Partial products of slices are at most 512 tiles of 64 KiB and are read once.
#include "backend/cuda/column_totals.hpp"
#include "backend/cuda/convolution.hpp"
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/gemm_core.hpp"
#include "backend/cuda/gemm_epilogue.hpp"
#include "backend/cuda/gemm_operand.hpp"

namespace clip::cuda {

namespace {

constexpr int kThreads = 256;

/// Places of a slice: enough slices that 512 tiles of 128 x 128 are made, if these have 2048 places
/// or more. Depends on the problem alone, and so do the bits.
std::int64_t slice_places(std::int64_t rows, std::int64_t columns, std::int64_t places) {
    constexpr std::int64_t kTile = 128, kWantedTiles = 512, kLeast = 2048, kUnit = 32;
    const std::int64_t tiles = (rows + kTile - 1) / kTile * ((columns + kTile - 1) / kTile);
    const std::int64_t slices = std::max<std::int64_t>(1, kWantedTiles / tiles);
    const std::int64_t each = std::max((places + slices - 1) / slices, kLeast);
    return (each + kUnit - 1) / kUnit * kUnit;
}

struct WeightSums {
    int in = 1, taps = 1;
    std::int64_t out = 0, slices = 0;
};

/// grad_weight (out, in, taps) += partial (slices, out, taps, in), slice by slice. Grid: out,
/// pieces of kThreads of a row of grad_weight.
CLIP_KERNEL(kThreads, 8)
void add_weight_slices_kernel(Global<float> grad_weight, Global<const float> partial,
                              WeightSums sums) {
    const int at = block_y() * kThreads + thread_x();
    const int width = sums.in * sums.taps;
    if (at >= width)
        return;
    // Neighbours read neighbours: partial sums are the larger part.
    const int tap = at / sums.in, channel = at % sums.in;
    float sum = 0;
    for (std::int64_t s = 0; s < sums.slices; ++s) {
        const float part = partial[(s * sums.out + block_x()) * width + at];
        sum += part;
    }
    grad_weight[(std::int64_t{block_x()} * sums.in + channel) * sums.taps + tap] += sum;
}

/// `weights` (in, kernel height, kernel width, out), turned.
template <typename Math, bool Divides>
void launch_grad_x(Context& context, const ConvolutionSize& size, float* grad_x,
                   const typename Math::Element* grad_y, const typename Math::Element* weights) {
    using T = typename Math::Element;
    const Windows windows = backward_windows(size);
    const GemmExtents extents{windows.places, size.in, windows.width};
    const DType compute = context.options().compute;
    const MatrixLoader<T, true> b{weights, size.in, windows.width,
                                  aligned_pitch(windows.width, compute)};
    GradXEpilogue epilogue;
    epilogue.grad_x = {grad_x, DType::f32, size.in};
    if (!takes_chunks<T>(grad_y, size.out))
        launch_gemm<Math>(context, "conv2d_grad_x", extents,
                          WindowElementLoader<T, true, Divides>{grad_y, windows}, b, epilogue);
    else if (!Divides && size.is_product())
        launch_gemm<Math>(context, "conv2d_grad_x", extents,
                          MatrixLoader<T, true>{grad_y, windows.places, size.out, size.out}, b,
                          epilogue);
    else
        launch_gemm<Math>(context, "conv2d_grad_x", extents,
                          WindowLoader<T, true, Divides>{grad_y, windows}, b, epilogue);
}

template <typename Math>
void add_grad_weight(Context& context, const ConvolutionSize& size, float* grad_weight,
                     const typename Math::Element* grad_y, const typename Math::Element* x) {
    using T = typename Math::Element;
    const Windows windows = forward_windows(size);
    GemmExtents extents{size.out, windows.width, windows.places};
    extents.slice = slice_places(size.out, windows.width, windows.places);
    const std::int64_t slices = extents.slices();
    Workspace::Scope scope(context.workspace());
    auto* partial = scope.take<float>(slices * size.out * windows.width);
    GradWeightEpilogue epilogue;
    epilogue.partial = {partial, DType::f32, windows.width};
    epilogue.rows_of_slice = size.out;
    if (!takes_chunks<T>(x, size.in) || !takes_chunks<T>(grad_y, size.out))
        launch_gemm<Math>(context, "conv2d_grad_weight", extents,
                          ElementLoader<T, T, false>{grad_y, windows.places, size.out, size.out},
                          WindowElementLoader<T, false, false>{x, windows}, epilogue);
    else
        launch_gemm<Math>(context, "conv2d_grad_weight", extents,
                          MatrixLoader<T, false>{grad_y, windows.places, size.out, size.out},
                          WindowLoader<T, false, false>{x, windows}, epilogue);
    const WeightSums sums{static_cast<int>(size.in), static_cast<int>(size.taps()), size.out,
                          slices};
    const auto pieces = static_cast<unsigned>((windows.width + kThreads - 1) / kThreads);
    context.launch("conv2d_add_weight_slices", add_weight_slices_kernel,
                   {{static_cast<unsigned>(size.out), pieces}, {kThreads}}, grad_weight, partial,
                   sums);
}

} // namespace

void CudaBackend::conv2d_backward(const Conv2dBackwardArgs& args) {
    const Shape& y_shape = args.grad_y.shape;
    if (!args.grad_bias.empty())
        add_column_totals(context_, {args.grad_bias.f32()}, args.grad_y.f32(), DType::f32,
                          y_shape[0] * y_shape[1] * y_shape[2], y_shape[3], y_shape[3]);
    const bool for_x = !args.grad_x.empty(), for_weight = !args.grad_weight.empty();
    if (!for_x && !for_weight)
        return;
    const Shape x_shape = for_x ? args.grad_x.shape : args.x.shape;
    const Shape kernel = for_x ? args.weight.shape : args.grad_weight.shape;
    const DType compute = context_.options().compute;
    ConvolutionSize size = convolution_size(x_shape, y_shape, kernel, args.stride, args.padding);
    Workspace::Scope scope(context_.workspace());
    void* turned = nullptr;
    if (for_x) {
        const std::int64_t pitch = aligned_pitch(size.taps() * size.out, compute);
        turned =
            scope.take<std::byte>(size.in * pitch * static_cast<std::int64_t>(dtype_size(compute)));
        order_weights(context_, turned, compute, args.weight.f32(), kernel, true);
    }
    const std::int64_t of_x = size.height * size.width, of_y = size.out_height * size.out_width;
    const std::int64_t at_once = pictures_at_once(std::max(of_x, of_y));
    for (std::int64_t first = 0; first < y_shape[0]; first += at_once) {
        size.pictures = std::min(at_once, y_shape[0] - first);
        Workspace::Scope inner(context_.workspace());
        const auto part = [&](const auto& view, std::int64_t each, std::int64_t channels) {
            return part_of(view, first * each * channels, {size.pictures * each, channels});
        };
        const void* grad_y = in_type(context_, inner, part(args.grad_y, of_y, size.out), compute);
        visit_math(context_.options(), compute, [&]<typename Math>() {
            using T = typename Math::Element;
            if (for_x) {
                float* grad_x = part(args.grad_x, of_x, size.in).f32();
                const auto launch =
                    args.stride == 1 ? launch_grad_x<Math, false> : launch_grad_x<Math, true>;
                launch(context_, size, grad_x, static_cast<const T*>(grad_y),
                       static_cast<const T*>(turned));
            }
            if (for_weight) {
                const void* x = in_type(context_, inner, part(args.x, of_x, size.in), compute);
                add_grad_weight<Math>(context_, size, args.grad_weight.f32(),
                                      static_cast<const T*>(grad_y), static_cast<const T*>(x));
            }
        });
    }
}

} // namespace clip::cuda

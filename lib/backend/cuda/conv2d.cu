// SPDX-License-Identifier: MIT
// y = activation(conv(x) + bias + residual) of channels-last pictures, as one product: of the
// windows (places, kernel height * kernel width * C_in), which are found in x while they are copied
// to shared memory (window_loader.hpp), and the weights (C_out, the same). Bias, residual and
// activation are part of writing the result (gemm_epilogue.hpp).
//
// Variants: 1 x 1 convolutions of stride 1 are plain products, on sm_90a in 16 bits by the kernels
// of linear layers. Where channels are whole chunks of 16 bytes (all of CLIP's but the first
// convolution's three) windows come by cp.async, else element by element. Products as for a linear
// layer: 16 bits, or float32 by three TF32 products or one.
//
// Cost: 2 * places * C_out * taps * C_in FLOP; x is read once from memory as long as L2 holds some
// lines of pixels, residual once, and y written once. RN50's 55 convolutions at batch 256 of 224 x
// 224: 2.8 TFLOP and 14 GB in 16 bits: 16 ms at 175 TFLOP/s (A100), 7 ms at 400 (H100), of which
// memory alone would take 8 and 5; in float32 six times the FLOP's time. ViTs have none.
// Source: Chetlur et al. 2014, "cuDNN: efficient primitives for deep learning", section 3.
#include "backend/cuda/convolution.hpp"
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/gemm_core.hpp"
#include "backend/cuda/gemm_epilogue.hpp"
#include "backend/cuda/gemm_operand.hpp"
#include "backend/cuda/linear_hopper.hpp"

namespace clip::cuda {

namespace {

template <typename Math>
void launch_conv2d(Context& context, const ConvolutionSize& size, const void* x_data,
                   const CudaConv2d& weights, const ForwardEpilogue& epilogue) {
    using T = typename Math::Element;
    const auto* x = static_cast<const T*>(x_data);
    const Windows windows = forward_windows(size);
    const GemmExtents extents{windows.places, size.out, windows.width};
    const MatrixLoader<T, true> b{weights.weight.as<const T>(), size.out, windows.width,
                                  weights.pitch()};
    if (!takes_chunks<T>(x, size.in)) {
        launch_gemm<Math>(context, "conv2d", extents,
                          WindowElementLoader<T, true, false>{x, windows}, b, epilogue);
        return;
    }
    if (!size.is_product()) {
        launch_gemm<Math>(context, "conv2d", extents, WindowLoader<T, true, false>{x, windows}, b,
                          epilogue);
        return;
    }
    if constexpr (sizeof(T) == 2) {
        const HopperOperand left{x, size.in}, right{weights.weight.data(), weights.pitch()};
        if (takes_linear_hopper(context, weights.storage, left, right, extents)) {
            launch_linear_hopper(context, weights.storage, left, right, extents, epilogue);
            return;
        }
    }
    launch_gemm<Math>(context, "conv2d", extents,
                      MatrixLoader<T, true>{x, windows.places, size.in, size.in}, b, epilogue);
}

void fill(Context& context, CudaConv2d& to, const Conv2dWeights& from) {
    Workspace::Scope scope(context.workspace());
    order_weights(context, to.weight.data(), to.storage, on_device(context, scope, from.weight),
                  to.weight_shape(), false);
    to.fill_bias(context, scope, from.bias);
}

} // namespace

std::unique_ptr<PreparedConv2d> CudaBackend::prepare_conv2d(const Conv2dWeights& weights) {
    check_storage("prepare conv2d", weights.storage);
    auto made =
        std::make_unique<CudaConv2d>(context_.allocator(), weights.weight.shape, weights.stride,
                                     weights.padding, weights.storage, !weights.bias.empty());
    fill(context_, *made, weights);
    return made;
}

void CudaBackend::update_conv2d(PreparedConv2d& prepared, const Conv2dWeights& weights) {
    check_storage("update conv2d", weights.storage);
    auto& to = static_cast<CudaConv2d&>(prepared);
    to.reshape(context_.allocator(), weights.storage, !weights.bias.empty());
    fill(context_, to, weights);
}

void CudaBackend::conv2d(const Conv2dArgs& args) {
    const auto& weights = static_cast<const CudaConv2d&>(*args.weights);
    Workspace::Scope scope(context_.workspace());
    ConvolutionSize size = convolution_size(args.x.shape, args.y.shape, weights.weight_shape(),
                                            weights.stride(), weights.padding());
    const Shape &x_shape = args.x.shape, &y_shape = args.y.shape;
    const std::int64_t of_x = size.height * size.width, of_y = size.out_height * size.out_width;
    const std::int64_t at_once = pictures_at_once(of_y);
    for (std::int64_t first = 0; first < x_shape[0]; first += at_once) {
        size.pictures = std::min(at_once, x_shape[0] - first);
        const auto part = [&](const auto& view, std::int64_t each, const Shape& shape) {
            return part_of(view, first * each, {size.pictures, shape[1], shape[2], shape[3]});
        };
        const ConstView x = part(args.x, of_x * size.in, x_shape);
        const MutView y = part(args.y, of_y * size.out, y_shape);
        const ConstView residual = part(args.residual, of_y * size.out, y_shape);
        ForwardEpilogue epilogue;
        epilogue.y = {y.data, y.dtype, size.out};
        epilogue.bias = {weights.bias_or_null(), DType::f32, 0};
        epilogue.residual = {residual.data, residual.dtype, size.out};
        epilogue.residual_inside = true;
        epilogue.activation = args.activation;
        const void* from = in_type(context_, scope, x, weights.storage);
        visit_math(context_.options(), weights.storage, [&]<typename Math>() {
            launch_conv2d<Math>(context_, size, from, weights, epilogue);
        });
    }
}

} // namespace clip::cuda

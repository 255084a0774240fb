// SPDX-License-Identifier: MIT
// Of y = x W^T + bias:
//
//   grad_x = (grad_y W) * activation'(pre_activation)    the derivative in the product's epilogue
//   grad_weight += grad_y^T x                            weight_gradient.hpp
//   grad_bias += sum over rows of grad_y                 column_totals.cu
//
// Factors run in the type that training computes in (CudaOptions::compute). Towers hand on x,
// pre_activation and most gradients in that type; what is float32 (W, and grad_y where it comes
// from the residual stream) is converted first, grad_y once for both products. None is transposed:
// tiles are read across (gemm_tile.hpp).
//
// Cost: twice the FLOP of the forward, at its rate (linear.cu), and conversions: 6 bytes an element
// of what is float32. All 12 blocks of ViT-B/32 at batch 256 in bf16: 4.3 TFLOP, 24 ms on an A100
// and 10 ms on an H100; ViT-L/14: 80 TFLOP, 420 and 170 ms.
#include "backend/cuda/column_totals.hpp"
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/gemm_operand.hpp"
#include "backend/cuda/weight_gradient.hpp"

namespace clip::cuda {

namespace {

template <typename Math>
void launch_products(Context& context, const LinearBackwardArgs& args) {
    using T = typename Math::Element;
    const DType compute = context.options().compute;
    const std::int64_t rows = args.grad_y.shape[0], out = args.grad_y.shape[1];
    Workspace::Scope scope(context.workspace());
    const auto operand = [&](const ConstView& view) {
        return align_matrix(context, scope, view.data, view.dtype, view.shape[0], view.shape[1],
                            compute);
    };
    const AlignedMatrix grad_y = operand(args.grad_y);
    if (!args.grad_x.empty()) {
        const std::int64_t in = args.grad_x.shape[1];
        GradXEpilogue epilogue;
        epilogue.grad_x = {args.grad_x.data, args.grad_x.dtype, in};
        epilogue.activation = args.activation;
        if (args.activation != Activation::none)
            epilogue.pre_activation = {args.pre_activation.data, args.pre_activation.dtype, in};
        launch_gemm<Math>(context, "linear_grad_x", {rows, in, out}, grad_y.loader<T, true>(),
                          operand(args.weight).template loader<T, false>(), epilogue);
    }
    if (!args.grad_weight.empty())
        launch_weight_gradient<Math>(
            context, "linear_grad_weight", args.grad_weight.f32(), grad_y.loader<T, false>(),
            operand(args.x).template loader<T, false>(), rows, out, args.grad_weight.shape[1]);
}

} // namespace

void CudaBackend::linear_backward(const LinearBackwardArgs& args) {
    if (!args.grad_x.empty() || !args.grad_weight.empty())
        visit_math(context_.options(), context_.options().compute,
                   [&]<typename Math>() { launch_products<Math>(context_, args); });
    if (!args.grad_bias.empty())
        add_column_totals(context_, {args.grad_bias.f32()}, args.grad_y.data, args.grad_y.dtype,
                          args.grad_y.shape[0], args.grad_y.shape[1], args.grad_y.shape[1]);
}

} // namespace clip::cuda

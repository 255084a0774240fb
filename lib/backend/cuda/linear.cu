// SPDX-License-Identifier: MIT
// y = activation(x W^T + bias) + residual
//
// One product (gemm_core.hpp; in 16 bits on sm_90a gemm_hopper.hpp) with everything else in its
// epilogue. x is converted first where it is not of the weights' storage type: towers keep what
// goes between layers in that type, so that this is for pooled rows and for callers of single ops.
//
// Cost: 2 R in out FLOP; 16-bit weights at batch 256 of ViT-B/32 (R 12,800, width 768): query, key
// and value 45 GFLOP, the MLP's layers 60 GFLOP each, of all 12 blocks 2.2 TFLOP: 12 ms at 60% of
// an A100's 312 TFLOP/s, 4 to 5 ms on an H100 (mma.sync reaches some 60% of what wgmma does).
// ViT-L/14 (R 65,792, width 1024, 24 blocks): 40 TFLOP, 210 and 85 ms. Memory traffic is a tenth of
// that time. float32 (three TF32 products) takes 6 times as long, TF32 twice.
#include "backend/cuda/cublaslt_gemm.hpp"
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/gemm_core.hpp"
#include "backend/cuda/gemm_epilogue.hpp"
#include "backend/cuda/gemm_operand.hpp"
#include "backend/cuda/linear_hopper.hpp"
#include "backend/cuda/row_grid.hpp"

namespace clip::cuda {

namespace {

void fill(Context& context, CudaLinear& to, const LinearWeights& from) {
    Workspace::Scope scope(context.workspace());
    align_rows(context, to.weight.data(), to.storage, on_device(context, scope, from.weight),
               DType::f32, to.out_features(), to.in_features());
    to.fill_bias(context, scope, from.bias);
}

constexpr int kThreads = 256;

// What the epilogue makes of sums that are in memory. Grid: a thread 4 columns of a row. No shared
// memory.
CLIP_KERNEL(kThreads, 2)
void epilogue_kernel(ForwardEpilogue epilogue, AnyMatrix sums, std::int64_t rows,
                     std::int64_t columns) {
    const std::int64_t quads = (columns + 3) / 4;
    const std::int64_t index = std::int64_t{block_x()} * kThreads + thread_x();
    if (index >= rows * quads)
        return;
    const std::int64_t row = index / quads, column = index % quads * 4;
    const int count = static_cast<int>(min<std::int64_t>(columns - column, 4));
    epilogue(0, row, column, read_four(sums, row, column, count), count);
}

/// By NVIDIA's library, where it was asked for. What comes after the product takes a pass of its
/// own.
void launch_cublaslt(Context& context, const AlignedMatrix& x, const AlignedMatrix& weight,
                     DType factors, const ForwardEpilogue& epilogue) {
    if (epilogue.is_plain())
        return cublaslt_product(context, x, weight, factors, epilogue.y.at, epilogue.y.dtype);
    Workspace::Scope scope(context.workspace());
    float* sums = scope.take<float>(x.rows * weight.rows);
    cublaslt_product(context, x, weight, factors, sums, DType::f32);
    context.launch(
        "linear_epilogue", epilogue_kernel,
        {.grid = {blocks_for(x.rows * ((weight.rows + 3) / 4), kThreads)}, .block = {kThreads}},
        epilogue, AnyMatrix(sums, DType::f32, weight.rows), x.rows, weight.rows);
}

template <typename Math>
void launch_linear(Context& context, const LinearArgs& args, const CudaLinear& weights) {
    using T = typename Math::Element;
    const std::int64_t rows = args.x.shape[0];
    const std::int64_t in = weights.in_features(), out = weights.out_features();
    Workspace::Scope scope(context.workspace());
    const AlignedMatrix x =
        align_matrix(context, scope, args.x.data, args.x.dtype, rows, in, weights.storage);
    const AlignedMatrix weight{weights.weight.data(), out, in, weights.pitch()};
    ForwardEpilogue epilogue;
    epilogue.y = {args.y.data, args.y.dtype, out};
    epilogue.pre_activation = {args.pre_activation.data, args.pre_activation.dtype, out};
    epilogue.bias = {weights.bias_or_null(), DType::f32, 0};
    epilogue.residual = {args.residual.data, args.residual.dtype, out};
    epilogue.activation = args.activation;
    if (context.options().gemm == CudaGemm::cublaslt)
        return launch_cublaslt(context, x, weight, weights.storage, epilogue);
    if constexpr (sizeof(T) == 2) {
        const HopperOperand left{x.at, x.pitch}, right{weight.at, weight.pitch};
        if (takes_linear_hopper(context, weights.storage, left, right, {rows, out, in})) {
            launch_linear_hopper(context, weights.storage, left, right, {rows, out, in}, epilogue);
            return;
        }
    }
    launch_gemm<Math>(context, "linear", {rows, out, in}, x.loader<T, true>(),
                      weight.loader<T, true>(), epilogue);
}

} // namespace

std::unique_ptr<PreparedLinear> CudaBackend::prepare_linear(const LinearWeights& weights) {
    check_storage("prepare linear", weights.storage);
    auto made = std::make_unique<CudaLinear>(context_.allocator(), weights.weight.shape[1],
                                             weights.weight.shape[0], weights.storage,
                                             !weights.bias.empty());
    fill(context_, *made, weights);
    return made;
}

void CudaBackend::update_linear(PreparedLinear& prepared, const LinearWeights& weights) {
    check_storage("update linear", weights.storage);
    auto& to = static_cast<CudaLinear&>(prepared);
    to.reshape(context_.allocator(), weights.storage, !weights.bias.empty());
    fill(context_, to, weights);
}

void CudaBackend::linear(const LinearArgs& args) {
    const auto& weights = static_cast<const CudaLinear&>(*args.weights);
    visit_math(context_.options(), weights.storage,
               [&]<typename Math>() { launch_linear<Math>(context_, args, weights); });
}

} // namespace clip::cuda

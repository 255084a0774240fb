// SPDX-License-Identifier: MIT
// Ops that have no kernel yet. Who writes one takes it out here.
#include "backend/cuda/cuda_backend.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda {

namespace {
[[noreturn]] void unfinished(const char* op) {
    fail(ErrorCode::unsupported, concat("cuda: ", op, ": not written yet"));
}
} // namespace

std::unique_ptr<PreparedLinear> CudaBackend::prepare_linear(const LinearWeights&) {
    unfinished("prepare_linear");
}

std::unique_ptr<PreparedConv2d> CudaBackend::prepare_conv2d(const Conv2dWeights&) {
    unfinished("prepare_conv2d");
}

void CudaBackend::update_linear(PreparedLinear&, const LinearWeights&) {
    unfinished("update_linear");
}

void CudaBackend::update_conv2d(PreparedConv2d&, const Conv2dWeights&) {
    unfinished("update_conv2d");
}

void CudaBackend::linear(const LinearArgs&) {
    unfinished("linear");
}

void CudaBackend::conv2d(const Conv2dArgs&) {
    unfinished("conv2d");
}

void CudaBackend::layer_norm(const LayerNormArgs&) {
    unfinished("layer_norm");
}

void CudaBackend::attention(const AttentionArgs&) {
    unfinished("attention");
}

void CudaBackend::patch_embedding(const PatchEmbeddingArgs&) {
    unfinished("patch_embedding");
}

void CudaBackend::embedding(const EmbeddingArgs&) {
    unfinished("embedding");
}

void CudaBackend::gather_rows(const GatherRowsArgs&) {
    unfinished("gather_rows");
}

void CudaBackend::scatter_add_rows(const ScatterAddRowsArgs&) {
    unfinished("scatter_add_rows");
}

void CudaBackend::channels_last(const ChannelsLastArgs&) {
    unfinished("channels_last");
}

void CudaBackend::convert(const ConvertArgs&) {
    unfinished("convert");
}

void CudaBackend::preprocess(const PreprocessArgs&) {
    unfinished("preprocess");
}

void CudaBackend::avg_pool(const AvgPoolArgs&) {
    unfinished("avg_pool");
}

void CudaBackend::mean_token(const MeanTokenArgs&) {
    unfinished("mean_token");
}

void CudaBackend::l2_normalize(const L2NormalizeArgs&) {
    unfinished("l2_normalize");
}

void CudaBackend::softmax(const SoftmaxArgs&) {
    unfinished("softmax");
}

void CudaBackend::activation(const ActivationArgs&) {
    unfinished("activation");
}

void CudaBackend::activation_backward(const ActivationBackwardArgs&) {
    unfinished("activation_backward");
}

void CudaBackend::linear_backward(const LinearBackwardArgs&) {
    unfinished("linear_backward");
}

void CudaBackend::layer_norm_backward(const LayerNormBackwardArgs&) {
    unfinished("layer_norm_backward");
}

void CudaBackend::attention_backward(const AttentionBackwardArgs&) {
    unfinished("attention_backward");
}

void CudaBackend::patch_embedding_backward(const PatchEmbeddingBackwardArgs&) {
    unfinished("patch_embedding_backward");
}

void CudaBackend::embedding_backward(const EmbeddingBackwardArgs&) {
    unfinished("embedding_backward");
}

void CudaBackend::gather_rows_backward(const GatherRowsBackwardArgs&) {
    unfinished("gather_rows_backward");
}

void CudaBackend::avg_pool_backward(const AvgPoolBackwardArgs&) {
    unfinished("avg_pool_backward");
}

void CudaBackend::mean_token_backward(const MeanTokenBackwardArgs&) {
    unfinished("mean_token_backward");
}

void CudaBackend::l2_normalize_backward(const L2NormalizeBackwardArgs&) {
    unfinished("l2_normalize_backward");
}

void CudaBackend::batch_norm(const BatchNormArgs&) {
    unfinished("batch_norm");
}

void CudaBackend::batch_norm_backward(const BatchNormBackwardArgs&) {
    unfinished("batch_norm_backward");
}

void CudaBackend::conv2d_backward(const Conv2dBackwardArgs&) {
    unfinished("conv2d_backward");
}

void CudaBackend::add(const AddArgs&) {
    unfinished("add");
}

void CudaBackend::blend(const BlendArgs&) {
    unfinished("blend");
}

void CudaBackend::transpose(const TransposeArgs&) {
    unfinished("transpose");
}

void CudaBackend::row_dots(const RowDotsArgs&) {
    unfinished("row_dots");
}

void CudaBackend::adamw(const AdamWArgs&) {
    unfinished("adamw");
}

double CudaBackend::sum_of_squares(const SumOfSquaresArgs&) {
    unfinished("sum_of_squares");
}

} // namespace clip::cuda

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
void CudaBackend::update_linear(PreparedLinear&, const LinearWeights&) {
    unfinished("update_linear");
}
void CudaBackend::linear(const LinearArgs&) {
    unfinished("linear");
}
void CudaBackend::attention(const AttentionArgs&) {
    unfinished("attention");
}
void CudaBackend::patch_embedding(const PatchEmbeddingArgs&) {
    unfinished("patch_embedding");
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

} // namespace clip::cuda

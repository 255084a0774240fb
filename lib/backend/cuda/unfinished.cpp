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

std::unique_ptr<PreparedConv2d> CudaBackend::prepare_conv2d(const Conv2dWeights&) {
    unfinished("prepare_conv2d");
}
void CudaBackend::update_conv2d(PreparedConv2d&, const Conv2dWeights&) {
    unfinished("update_conv2d");
}
void CudaBackend::conv2d(const Conv2dArgs&) {
    unfinished("conv2d");
}
void CudaBackend::patch_embedding(const PatchEmbeddingArgs&) {
    unfinished("patch_embedding");
}
void CudaBackend::linear_backward(const LinearBackwardArgs&) {
    unfinished("linear_backward");
}

void CudaBackend::patch_embedding_backward(const PatchEmbeddingBackwardArgs&) {
    unfinished("patch_embedding_backward");
}
void CudaBackend::conv2d_backward(const Conv2dBackwardArgs&) {
    unfinished("conv2d_backward");
}
} // namespace clip::cuda

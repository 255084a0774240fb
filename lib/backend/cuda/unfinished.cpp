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

void CudaBackend::patch_embedding(const PatchEmbeddingArgs&) {
    unfinished("patch_embedding");
}
void CudaBackend::linear_backward(const LinearBackwardArgs&) {
    unfinished("linear_backward");
}
void CudaBackend::patch_embedding_backward(const PatchEmbeddingBackwardArgs&) {
    unfinished("patch_embedding_backward");
}

} // namespace clip::cuda

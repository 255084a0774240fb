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


} // namespace clip::cuda

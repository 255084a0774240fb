// SPDX-License-Identifier: MIT
// Search reads its rows from files that are mapped into the host's memory, and is as fast as these
// can be read: its ops stay on the CPU, and whoever asks for them here has chosen the wrong
// backend.
#include "backend/cuda/cuda_backend.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda {

namespace {

[[noreturn]] void refuse(const char* op) {
    fail(ErrorCode::unsupported,
         concat("cuda: ", op, ": not on this device (search runs on the CPU)"));
}

} // namespace

std::unique_ptr<PreparedScreen> CudaBackend::prepare_screen(const ConstView&) {
    refuse("prepare screen");
}

void CudaBackend::exact_dots(const ExactDotsArgs&) {
    refuse("exact dots");
}

void CudaBackend::screen(const ScreenArgs&) {
    refuse("screen");
}

} // namespace clip::cuda

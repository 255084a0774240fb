// SPDX-License-Identifier: MIT
// The one function between the programs and the plugin with the CUDA backend.
#pragma once

#include <cstddef>

#include "backend/backend.hpp"
#include "backend/cuda/cuda_options.hpp"

namespace clip {

/// Raised whenever a class that crosses changes; the plugin refuses any other. Both come from one
/// build, so that nothing else needs to fit.
inline constexpr int kCudaPluginVersion = 1;

/// Makes the backend in `*out`. Returns true, or false with a message of at most `message_size`
/// bytes, its final NUL included, and the number of an ErrorCode.
using CudaMakeBackend = bool (*)(int version, int device, const CudaOptions* options,
                                 ThreadPool* pool, Backend** out, char* message,
                                 std::size_t message_size, int* error_code);

inline constexpr const char* kCudaMakeBackendSymbol = "clip_cuda_make_backend";

} // namespace clip

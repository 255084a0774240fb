// SPDX-License-Identifier: MIT
#include "backend/cuda/plugin.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <string_view>

#include "backend/cuda/cuda_backend.hpp"
#include "base/error.hpp"

namespace clip {

namespace {

bool refuse(std::string_view why, ErrorCode code, char* message, std::size_t size, int* to_code) {
    const std::size_t length = std::min(why.size(), size - 1);
    std::memcpy(message, why.data(), length);
    message[length] = '\0';
    *to_code = static_cast<int>(code);
    return false;
}

} // namespace

} // namespace clip

extern "C" __attribute__((visibility("default"))) bool
clip_cuda_make_backend(int version, int device, const clip::CudaOptions* options,
                       clip::ThreadPool* pool, clip::Backend** out, char* message,
                       std::size_t message_size, int* error_code) {
    using clip::ErrorCode;
    if (version != clip::kCudaPluginVersion)
        return clip::refuse("the CUDA plugin is of another version than the program",
                            ErrorCode::version_mismatch, message, message_size, error_code);
    try {
        *out = new clip::cuda::CudaBackend(device, *options, *pool);
        return true;
    } catch (const clip::Error& error) {
        return clip::refuse(error.what(), error.code(), message, message_size, error_code);
    } catch (const std::exception& error) {
        return clip::refuse(error.what(), ErrorCode::internal, message, message_size, error_code);
    }
}

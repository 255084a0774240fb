// SPDX-License-Identifier: MIT
#include "backend/cuda/cuda_backend.hpp"

#include "base/concat.hpp"

namespace clip::cuda {

std::string CudaBackend::implementation(std::string_view) const {
    const Properties& device = context_.properties();
    return concat("cuda (sm_", device.major, device.minor, ')');
}

} // namespace clip::cuda

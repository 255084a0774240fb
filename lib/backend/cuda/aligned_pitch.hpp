// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "base/dtype.hpp"

namespace clip::cuda {

/// Elements from one row of an operand to the next: the least that makes all rows begin at
/// multiples of 16 bytes, as cp.async and TMA want.
inline std::int64_t aligned_pitch(std::int64_t width, DType type) {
    const std::int64_t of_chunk = 16 / static_cast<std::int64_t>(dtype_size(type));
    return (width + of_chunk - 1) / of_chunk * of_chunk;
}

} // namespace clip::cuda

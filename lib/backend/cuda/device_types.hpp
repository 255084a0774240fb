// SPDX-License-Identifier: MIT
// Types that kernels and both implementations of device_api.hpp share. No CUDA is needed for them.
#pragma once

#include <cstdint>

#include "base/dtype.hpp"

namespace clip::cuda {

/// N elements that are loaded or stored in one instruction. The address must be a multiple of its
/// size (4, 8 or 16 bytes).
template <typename T, int N>
struct alignas(sizeof(T) * N) Vec {
    T at[N];
};

/// All lanes of a warp; the only mask that is offered, since no kernel here diverges inside a warp
/// where it shuffles.
constexpr unsigned kFullWarp = 0xffffffffU;
constexpr int kWarpSize = 32;

/// Bytes of every shared memory buffer are aligned to this, as swizzled TMA tiles want.
constexpr int kSharedAlignment = 1024;

} // namespace clip::cuda

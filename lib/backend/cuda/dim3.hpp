// SPDX-License-Identifier: MIT
#pragma once

namespace clip::cuda {

/// The extents of a grid or of a block.
struct Dim3 {
    unsigned x = 1, y = 1, z = 1;
    constexpr unsigned long long count() const { return 1ULL * x * y * z; }
};

} // namespace clip::cuda

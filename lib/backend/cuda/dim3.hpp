// SPDX-License-Identifier: MIT
#pragma once

namespace clip::cuda {

/// The extent of a grid or a block, or a place in one.
struct Dim3 {
    unsigned x = 1, y = 1, z = 1;

    bool operator==(const Dim3&) const = default;
    unsigned long long count() const { return 1ull * x * y * z; }
};

} // namespace clip::cuda

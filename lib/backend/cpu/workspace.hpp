// SPDX-License-Identifier: MIT
#pragma once

#include "backend/cpu/packed_panels.hpp"

namespace clip::cpu {

/// Memory that all parts of one call share; kept, since fresh pages cost more than the copies that
/// go there. For the thread that starts loops only.
struct Workspace {
    enum Use { sums, left, right, gradient, kUses };

    /// At least `count` floats, 64-byte aligned; contents are undefined.
    float* floats(Use use, std::int64_t count) {
        const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(float);
        if (buffers[use].size() < bytes)
            buffers[use] = Buffer(bytes);
        return reinterpret_cast<float*>(buffers[use].data());
    }

    PackedPanels panels, transposed;
    Buffer buffers[kUses];
};

} // namespace clip::cpu

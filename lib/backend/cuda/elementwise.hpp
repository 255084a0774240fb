// SPDX-License-Identifier: MIT
// How kernels that work element by element are launched: a thread a quad of elements.
#pragma once

#include <cstdint>

#include "backend/cuda/row_grid.hpp"

namespace clip::cuda {

/// A full SM of such threads has 32 KiB of reads of float32 in flight: enough for any GPU's memory.
inline constexpr int kElementThreads = 256;

/// Where this thread's quad begins; it has none where that is behind the end.
CLIP_DEVICE std::int64_t first_of_element_thread() {
    return (std::int64_t{block_x()} * kElementThreads + thread_x()) * kQuad;
}

inline LaunchShape element_grid(std::int64_t count) {
    return {.grid = {blocks_for(count, std::int64_t{kElementThreads} * kQuad)},
            .block = {kElementThreads}};
}

} // namespace clip::cuda

// SPDX-License-Identifier: MIT
// Runs the blocks of a kernel on the host, and knows what memory it may touch.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "backend/cuda/dim3.hpp"

namespace clip::cuda::emulation {

struct Grid {
    Dim3 grid, block;
    std::size_t shared_bytes = 0; ///< dynamic
};

/// Runs every thread of every block; Error(device_failure) on the first fault.
void run_grid(std::string_view kernel_name, const Grid& grid,
              const std::function<void()>& thread_body);

/// Device memory: what lies outside of all allocations is out of bounds.
void register_allocation(void* at, std::size_t bytes);
void unregister_allocation(void* at);
/// Uploads, fills and copies write; what nobody has written must not be read.
void mark_written(void* at, std::size_t bytes);
bool is_written(const void* at, std::size_t bytes);

} // namespace clip::cuda::emulation

// SPDX-License-Identifier: MIT
// Runs kernels on the host, a block after the other, each thread of a block a fiber. What the
// runtime calls is here; what kernels call through device_api.hpp is in thread_ops.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "backend/cuda/dim3.hpp"

namespace clip::cuda::emulation {

/// The shape of a launch.
struct Grid {
    Dim3 grid, block;
    std::size_t shared_bytes = 0; ///< dynamic shared memory of a block
};

/// Runs `thread_body` once a thread of every block, in an order drawn from the seed and from how
/// many launches came before. Launches of several host threads take turns.
/// Errors: device_failure on the first fault (the message names kernel, block and thread),
///         invalid_argument (a shape that no GPU launches).
void run_grid(std::string_view kernel_name, const Grid& grid,
              const std::function<void()>& thread_body);

/// Draws other orders from here on.
void set_order_seed(std::uint64_t seed);

/// The device's memory: only what has been registered may be touched by kernels.
void register_allocation(void* at, std::size_t bytes);
void unregister_allocation(void* at);
/// Says that copies from the host have written there.
void mark_written(void* at, std::size_t bytes);
/// Says that what lies there has had its use: reading it is a fault until it is written again.
void mark_unwritten(void* at, std::size_t bytes);
bool is_written(const void* at, std::size_t bytes);

/// What launches have cost so far; for tests that ask whether a kernel ran at all.
struct Counters {
    std::uint64_t launches = 0, blocks = 0, collectives = 0, barriers = 0;
};
Counters counters();

} // namespace clip::cuda::emulation

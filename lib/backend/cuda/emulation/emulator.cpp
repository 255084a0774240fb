// SPDX-License-Identifier: MIT
#include "backend/cuda/emulation/emulator.hpp"

#include <utility>
#include <vector>

#include "backend/cuda/emulation/scheduler.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda::emulation {

namespace {

Dim3 unflatten(std::uint64_t index, const Dim3& extents) {
    return {static_cast<unsigned>(index % extents.x),
            static_cast<unsigned>(index / extents.x % extents.y),
            static_cast<unsigned>(index / extents.x / extents.y)};
}

void check_shape(std::string_view kernel, const Grid& grid) {
    const auto require = [&](bool good, const char* what) {
        if (!good)
            fail(ErrorCode::invalid_argument, concat("launch ", kernel, ": ", what));
    };
    require(grid.block.count() >= 1 && grid.block.count() <= 1024, "1 to 1024 threads a block");
    require(grid.block.y == 1 && grid.block.z == 1, "blocks are 1-D");
    require(grid.block.x % kLanes == 0, "threads of a block come in whole warps");
    require(grid.grid.count() >= 1, "the grid is empty");
    require(grid.grid.x <= 0x7fffffffU && grid.grid.y <= 65535 && grid.grid.z <= 65535,
            "the grid is too large");
    require(grid.shared_bytes <= kMaxSharedBytes, "too much shared memory");
}

} // namespace

void run_grid(std::string_view kernel_name, const Grid& grid,
              const std::function<void()>& thread_body) {
    check_shape(kernel_name, grid);
    Emulator& gpu = emulator();
    const std::lock_guard<std::mutex> lock(gpu.turn);
    gpu.random = gpu.seed + 0x632be59bd9b4e019ULL * ++gpu.launches;
    gpu.global.begin_launch();
    ++gpu.counted.launches;
    std::vector<std::uint64_t> order(grid.grid.count());
    for (std::size_t i = 0; i < order.size(); ++i)
        order[i] = i;
    for (std::size_t i = order.size(); i > 1; --i)
        std::swap(order[i - 1], order[next_random(gpu.random) % i]);
    for (const std::uint64_t index : order) {
        gpu.block = static_cast<std::uint32_t>(index) + 1;
        ++gpu.counted.blocks;
        gpu.run_block(kernel_name, grid, unflatten(index, grid.grid), thread_body);
    }
}

void set_order_seed(std::uint64_t seed) {
    Emulator& gpu = emulator();
    const std::lock_guard<std::mutex> lock(gpu.turn);
    gpu.seed = kFirstSeed * (seed + 1);
    gpu.launches = 0;
}

void register_allocation(void* at, std::size_t bytes) {
    const std::lock_guard<std::mutex> lock(emulator().turn);
    emulator().global.add(at, bytes);
}

void unregister_allocation(void* at) {
    const std::lock_guard<std::mutex> lock(emulator().turn);
    emulator().global.remove(at);
}

void mark_written(void* at, std::size_t bytes) {
    const std::lock_guard<std::mutex> lock(emulator().turn);
    emulator().global.mark_written(at, bytes);
}

void mark_unwritten(void* at, std::size_t bytes) {
    const std::lock_guard<std::mutex> lock(emulator().turn);
    emulator().global.mark_unwritten(at, bytes);
}

bool is_written(const void* at, std::size_t bytes) {
    const std::lock_guard<std::mutex> lock(emulator().turn);
    return emulator().global.is_written(at, bytes);
}

Counters counters() {
    const std::lock_guard<std::mutex> lock(emulator().turn);
    return emulator().counted;
}

} // namespace clip::cuda::emulation

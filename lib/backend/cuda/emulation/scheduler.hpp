// SPDX-License-Identifier: MIT
// The machine on which kernels run: the threads of the block that runs now, who waits for what, and
// what everybody has seen. Only the emulation's own files include this.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "backend/cuda/device_types.hpp"
#include "backend/cuda/emulation/emulator.hpp"
#include "backend/cuda/emulation/fiber.hpp"
#include "backend/cuda/emulation/thread_ops.hpp"

namespace clip::cuda::emulation {

constexpr std::size_t kLanes = 32;
constexpr std::size_t kWarpgroup = 128;
constexpr std::size_t kMaxSharedBytes = std::size_t{227} << 10; // of an H100
constexpr std::uint64_t kFirstSeed = 0x9e3779b97f4a7c15ULL;

/// splitmix64
inline std::uint64_t next_random(std::uint64_t& state) {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31U);
}

/// Thrown through a kernel to end it.
struct Fault {
    std::string what;
};

struct PendingCopy {
    void* to;
    std::array<std::byte, 16> bytes;
};

struct Thread {
    Place place;
    Fiber fiber;
    const char* waits_for = nullptr; ///< null while it may run
    std::function<bool()> ready;     ///< of wait_until
    std::vector<PendingCopy> issued; ///< not yet committed
    std::deque<std::vector<PendingCopy>> groups;
};

struct Warp {
    std::vector<std::uint32_t> clocks; ///< one a warp of the block
    std::uint32_t lane_epoch = 1;
    const char* collective = nullptr;
    std::array<void*, kLanes> operands{};
    std::size_t arrived = 0;
};

/// Four warps that do an instruction together.
struct Warpgroup {
    const char* collective = nullptr;
    std::array<void*, kWarpgroup> operands{};
    std::size_t arrived = 0;
};

struct NamedBarrier {
    int wanted = 0;
    std::vector<std::size_t> arrived;
};

struct Emulator {
    std::mutex turn; ///< of launches, and of the memory's registry
    std::uint64_t seed = kFirstSeed, launches = 0, random = 0;
    Counters counted;
    GlobalShadow global;
    SharedShadow shared;
    std::vector<std::unique_ptr<FiberStack>> stacks;
    std::unique_ptr<std::byte[]> shared_storage{new std::byte[kMaxSharedBytes + kSharedAlignment]};

    // Of the block that runs.
    std::deque<Thread> threads;
    std::vector<Warp> warps;
    std::vector<Warpgroup> warpgroups;
    std::vector<std::size_t> runnable;                    ///< threads, taken in random order
    std::vector<std::function<std::string()>> agents;     ///< not yet done
    std::vector<std::function<std::string()>> end_checks; ///< of the block
    std::uint64_t block_serial = 0;
    std::vector<std::uint32_t> proxy_fences; ///< one a thread
    std::vector<std::size_t> at_barrier;
    std::array<NamedBarrier, 16> named;
    Thread* running = nullptr;
    std::uint32_t block = 0; ///< 1-based
    std::uint32_t block_epoch = 0;
    std::size_t exited = 0;
    bool failed = false;
    std::string failure;
    std::exception_ptr foreign;

    /// Runs a block to its end. Errors: device_failure, and what a kernel throws.
    void run_block(std::string_view kernel, const Grid& grid, Dim3 index,
                   const std::function<void()>& body);
    void schedule();
    void run_agent();
    void wake_ready();
    void end_block();
    /// A barrier: what any of these threads did comes before what any of them does next.
    void join(const std::vector<std::size_t>& members, bool whole_block);
    std::size_t index_of(const Thread& thread) const {
        return static_cast<std::size_t>(thread.place.thread);
    }
    Warp& warp_of(const Thread& thread) { return warps[index_of(thread) / kLanes]; }
    /// The running thread gives way until another wakes it.
    void wait(const char* what) {
        running->waits_for = what;
        running->fiber.pause();
    }
    void wake(std::size_t thread) {
        threads[thread].waits_for = nullptr;
        runnable.push_back(thread);
    }
};

/// The one of the process.
Emulator& emulator();

} // namespace clip::cuda::emulation

// SPDX-License-Identifier: MIT
// What an emulated GPU thread can do. Called only while run_grid() runs, by the thread itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "backend/cuda/dim3.hpp"
#include "backend/cuda/emulation/shadow.hpp"

namespace clip::cuda::emulation {

/// Where the running thread is.
struct Place {
    int thread = 0, threads = 0; ///< in its block
    Dim3 block, grid;            ///< index of its block, extents of the grid
    std::byte* shared = nullptr;
    std::size_t shared_bytes = 0;
};
const Place& here();

/// Checks an access and ends the launch where it is wrong.
void check_global(const void* at, std::size_t bytes, Access access);
void check_shared(const void* at, std::size_t bytes, Access access);

/// Ends the launch with this fault of the running thread.
[[noreturn]] void fault(const std::string& what);

void block_barrier();
void warp_barrier();
void named_barrier(int id, int threads);

/// An instruction that all 32 lanes of a warp do together: the last one to come calls `run` with
/// all lanes' operands, in their order. Lanes that come with different names are a fault.
using WarpFunction = void (*)(void* const* operands);
void warp_collective(const char* name, void* operand, WarpFunction run);
/// Likewise of the 128 threads of a warpgroup: warps 4 i to 4 i + 3.
void warpgroup_collective(const char* name, void* operand, WarpFunction run);

/// cp.async: `to` is shared, 16 bytes; the bytes are there once they have been waited for.
void copy_async(void* to, const void* from, int bytes);
void copy_async_commit();
void copy_async_wait(int groups);

/// Lets other threads go on until `ready()` holds; a deadlock is a fault that names `what`.
void wait_until(const char* what, const std::function<bool()>& ready);
/// Something has changed that somebody may wait for in wait_until().
void wake_ready();

/// Something that goes on beside the threads of the block: `work` is done once, at a random later
/// moment, and says what is wrong. A block must not end before.
void start_agent(std::function<std::string()> work);
/// Is asked what is wrong when all threads of the block have ended.
void at_block_end(std::function<std::string()> check);
/// The block that runs, from 1, as an Actor has it; and a number that no other block of any launch
/// has.
std::uint32_t block_number();
std::uint64_t block_serial();

/// Vector clocks of whole warps, for synchronisation that is not a barrier of all: what a releasing
/// warp has done so far is added to `clocks` (one a warp), and what an acquiring one adopts.
void release_clocks(std::vector<std::uint32_t>& clocks);
void acquire_clocks(const std::vector<std::uint32_t>& clocks);
/// What the thread wrote before is seen by the async proxy (TMA, wgmma) from here on.
void fence_proxy();
/// How often each thread of the block did so.
const std::vector<std::uint32_t>& proxy_fences();

/// One clock more in every warp's vector, for an agent that writes in nobody's name: until a warp
/// acquires it, it has not heard of what the agent did. Gives its index.
std::size_t add_clock();
Actor actor();
/// Of another thread of the block.
Actor actor_of(int thread);
SharedShadow& shared_shadow();

} // namespace clip::cuda::emulation

// SPDX-License-Identifier: MIT
// What kernels call, by the thread that runs.
#include "backend/cuda/emulation/thread_ops.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "backend/cuda/emulation/scheduler.hpp"
#include "base/concat.hpp"

namespace clip::cuda::emulation {

const Place& here() {
    return emulator().running->place;
}

Actor actor() {
    return actor_of(emulator().running->place.thread);
}

Actor actor_of(int thread) {
    Emulator& gpu = emulator();
    const auto index = static_cast<std::size_t>(thread);
    const Warp& warp = gpu.warps[index / kLanes];
    return {gpu.block,
            static_cast<std::uint16_t>(index),
            static_cast<std::uint16_t>(index / kLanes),
            warp.lane_epoch,
            gpu.block_epoch,
            warp.clocks.data(),
            gpu.proxy_fences[index]};
}

SharedShadow& shared_shadow() {
    return emulator().shared;
}

void fault(const std::string& what) {
    throw Fault{concat("thread ", emulator().running->place.thread, ": ", what)};
}

void check_global(const void* at, std::size_t bytes, Access access) {
    if (at == nullptr)
        fault("null pointer to global memory");
    const std::string wrong = emulator().global.check(at, bytes, access, actor());
    if (!wrong.empty())
        fault(wrong);
}

void check_shared(const void* at, std::size_t bytes, Access access) {
    const std::string wrong = emulator().shared.check(at, bytes, access, actor());
    if (!wrong.empty())
        fault(wrong);
}

void block_barrier() {
    Emulator& gpu = emulator();
    const std::size_t self = gpu.index_of(*gpu.running);
    gpu.at_barrier.push_back(self);
    if (gpu.at_barrier.size() < gpu.threads.size()) {
        gpu.wait("a barrier of the block");
        return;
    }
    ++gpu.counted.barriers;
    ++gpu.block_epoch;
    gpu.join(gpu.at_barrier, true);
    for (const std::size_t thread : std::exchange(gpu.at_barrier, {}))
        if (thread != self)
            gpu.wake(thread);
}

void named_barrier(int id, int count) {
    Emulator& gpu = emulator();
    if (id < 1 || id > 15 || count < 32 || count % 32 != 0)
        fault(concat("named barrier ", id, " of ", count, " threads"));
    NamedBarrier& barrier = gpu.named[static_cast<std::size_t>(id)];
    if (!barrier.arrived.empty() && barrier.wanted != count)
        fault(concat("named barrier ", id, ": threads come with different counts"));
    barrier.wanted = count;
    const std::size_t self = gpu.index_of(*gpu.running);
    barrier.arrived.push_back(self);
    if (barrier.arrived.size() < static_cast<std::size_t>(count)) {
        gpu.wait("a named barrier");
        return;
    }
    gpu.join(barrier.arrived, false);
    for (const std::size_t thread : std::exchange(barrier.arrived, {}))
        if (thread != self)
            gpu.wake(thread);
}

void warp_collective(const char* name, void* operand, WarpFunction run) {
    Emulator& gpu = emulator();
    const std::size_t self = gpu.index_of(*gpu.running);
    Warp& warp = gpu.warps[self / kLanes];
    if (warp.arrived == 0)
        warp.collective = name;
    else if (warp.collective != name && std::strcmp(warp.collective, name) != 0)
        fault(concat("divergence: ", name, " while other lanes of the warp are in ",
                     warp.collective));
    warp.operands[self % kLanes] = operand;
    if (++warp.arrived < kLanes) {
        gpu.wait(name);
        return;
    }
    warp.arrived = 0;
    ++gpu.counted.collectives;
    run(warp.operands.data());
    for (std::size_t lane = 0; lane < kLanes; ++lane)
        if (lane != self % kLanes)
            gpu.wake(self / kLanes * kLanes + lane);
}

void warpgroup_collective(const char* name, void* operand, WarpFunction run) {
    Emulator& gpu = emulator();
    const std::size_t self = gpu.index_of(*gpu.running);
    const std::size_t first = self / kWarpgroup * kWarpgroup;
    if (first + kWarpgroup > gpu.threads.size())
        fault(concat(name, " by fewer than four warps"));
    Warpgroup& group = gpu.warpgroups[self / kWarpgroup];
    if (group.arrived == 0)
        group.collective = name;
    else if (std::strcmp(group.collective, name) != 0)
        fault(concat("divergence: ", name, " while others of the warpgroup are in ",
                     group.collective));
    group.operands[self - first] = operand;
    if (++group.arrived < kWarpgroup) {
        gpu.wait(name);
        return;
    }
    group.arrived = 0;
    ++gpu.counted.collectives;
    run(group.operands.data());
    for (std::size_t thread = first; thread < first + kWarpgroup; ++thread)
        if (thread != self)
            gpu.wake(thread);
}

void warp_barrier() {
    // The epoch is raised by the last lane, when all have come.
    warp_collective("a barrier of the warp", nullptr, [](void* const*) {
        Emulator& gpu = emulator();
        ++gpu.warp_of(*gpu.running).lane_epoch;
    });
}

void copy_async(void* to, const void* from, int bytes) {
    Emulator& gpu = emulator();
    if (bytes < 0 || bytes > 16)
        fault(concat("asynchronous copy of ", bytes, " bytes"));
    // The low bits of the address are where the hardware is told how many bytes there are.
    if (reinterpret_cast<std::uintptr_t>(from) % 16 != 0)
        fault("asynchronous copy from a misaligned address");
    PendingCopy copy{to, {}};
    if (bytes > 0) {
        for (int i = 0; i < bytes; i += static_cast<int>(kCellBytes))
            check_global(static_cast<const std::byte*>(from) + i,
                         std::min<std::size_t>(kCellBytes, static_cast<std::size_t>(bytes - i)),
                         Access::read);
        std::memcpy(copy.bytes.data(), from, static_cast<std::size_t>(bytes));
    }
    const std::string wrong = gpu.shared.begin_copy(to, 16, actor());
    if (!wrong.empty())
        fault(wrong);
    gpu.running->issued.push_back(copy);
}

void copy_async_commit() {
    Thread& thread = *emulator().running;
    thread.groups.push_back(std::exchange(thread.issued, {}));
}

void copy_async_wait(int groups) {
    Emulator& gpu = emulator();
    Thread& thread = *gpu.running;
    while (thread.groups.size() > static_cast<std::size_t>(groups)) {
        for (const PendingCopy& copy : thread.groups.front()) {
            std::memcpy(copy.to, copy.bytes.data(), copy.bytes.size());
            const std::string wrong = gpu.shared.end_copy(copy.to, copy.bytes.size(), actor());
            if (!wrong.empty())
                fault(wrong);
        }
        thread.groups.pop_front();
    }
}

void wait_until(const char* what, const std::function<bool()>& ready) {
    Emulator& gpu = emulator();
    while (!ready()) {
        gpu.running->ready = ready;
        gpu.wait(what);
    }
}

void wake_ready() {
    emulator().wake_ready();
}

void start_agent(std::function<std::string()> work) {
    emulator().agents.push_back(std::move(work));
}

void at_block_end(std::function<std::string()> check) {
    emulator().end_checks.push_back(std::move(check));
}

std::uint32_t block_number() {
    return emulator().block;
}

std::uint64_t block_serial() {
    return emulator().block_serial;
}

void fence_proxy() {
    Emulator& gpu = emulator();
    ++gpu.proxy_fences[gpu.index_of(*gpu.running)];
}

const std::vector<std::uint32_t>& proxy_fences() {
    return emulator().proxy_fences;
}

std::size_t add_clock() {
    Emulator& gpu = emulator();
    for (Warp& warp : gpu.warps)
        warp.clocks.push_back(0);
    return gpu.warps.front().clocks.size() - 1;
}

void release_clocks(std::vector<std::uint32_t>& clocks) {
    Emulator& gpu = emulator();
    Warp& warp = gpu.warp_of(*gpu.running);
    clocks.resize(warp.clocks.size(), 0);
    for (std::size_t i = 0; i < clocks.size(); ++i)
        clocks[i] = std::max(clocks[i], warp.clocks[i]);
    ++warp.clocks[gpu.index_of(*gpu.running) / kLanes];
}

void acquire_clocks(const std::vector<std::uint32_t>& clocks) {
    Emulator& gpu = emulator();
    Warp& warp = gpu.warp_of(*gpu.running);
    for (std::size_t i = 0; i < std::min(clocks.size(), warp.clocks.size()); ++i)
        warp.clocks[i] = std::max(warp.clocks[i], clocks[i]);
}

} // namespace clip::cuda::emulation

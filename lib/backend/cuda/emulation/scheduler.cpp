// SPDX-License-Identifier: MIT
#include "backend/cuda/emulation/scheduler.hpp"

#include <algorithm>
#include <utility>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda::emulation {

Emulator& emulator() {
    static Emulator& instance = *new Emulator; // never destroyed, as device_state()
    return instance;
}

void Emulator::join(const std::vector<std::size_t>& members, bool whole_block) {
    std::vector<char> in(warps.size(), 0);
    for (const std::size_t t : members)
        in[t / kLanes] = 1;
    std::vector<std::uint32_t> joined(warps.front().clocks.size(), 0);
    for (std::size_t w = 0; w < warps.size(); ++w)
        for (std::size_t i = 0; in[w] != 0 && i < joined.size(); ++i)
            joined[i] = std::max(joined[i], warps[w].clocks[i]);
    for (std::size_t w = 0; w < warps.size(); ++w) {
        if (in[w] == 0 && !whole_block)
            continue;
        warps[w].clocks = joined;
        ++warps[w].clocks[w];
        ++warps[w].lane_epoch;
    }
}

void Emulator::wake_ready() {
    for (std::size_t t = 0; t < threads.size(); ++t)
        if (threads[t].waits_for != nullptr && threads[t].ready && threads[t].ready()) {
            threads[t].ready = nullptr;
            wake(t);
        }
}

/// Lets one agent, drawn at random, do its work.
void Emulator::run_agent() {
    const std::size_t pick = next_random(random) % agents.size();
    const std::function<std::string()> work = std::move(agents[pick]);
    agents[pick] = std::move(agents.back());
    agents.pop_back();
    failure = work();
    failed = !failure.empty();
}

/// Runs threads and agents until none can go on. In every second block agents come as late as they
/// can, when no thread has anything else to do; in the others at any time.
void Emulator::schedule() {
    const bool late = (random >> 40U) % 2 == 0;
    for (;;) {
        if (runnable.empty())
            wake_ready();
        if (!agents.empty() && (runnable.empty() || (!late && next_random(random) % 8 == 0))) {
            if (exited == threads.size()) {
                failed = true;
                failure = "ends while asynchronous copies to its shared memory are under way";
                return;
            }
            run_agent();
            if (failed)
                return;
            continue;
        }
        if (runnable.empty())
            return;
        const std::size_t pick = next_random(random) % runnable.size();
        const std::size_t thread = runnable[pick];
        runnable[pick] = runnable.back();
        runnable.pop_back();
        running = &threads[thread];
        running->fiber.resume();
        running = nullptr;
        if (failed)
            return;
    }
}

/// What may not be left undone.
void Emulator::end_block() {
    for (const auto& check : end_checks) {
        failure = check();
        failed = !failure.empty();
        if (failed)
            return;
    }
}

void Emulator::run_block(std::string_view kernel, const Grid& grid, Dim3 index,
                         const std::function<void()>& body) {
    const auto count = static_cast<std::size_t>(grid.block.count());
    const auto storage = reinterpret_cast<std::uintptr_t>(shared_storage.get());
    auto* memory = reinterpret_cast<std::byte*>((storage + kSharedAlignment - 1) /
                                                kSharedAlignment * kSharedAlignment);
    const std::size_t warp_count = (count + kLanes - 1) / kLanes;
    shared.begin_block(memory, grid.shared_bytes, warp_count);
    warps.assign(warp_count, Warp{});
    for (std::size_t w = 0; w < warp_count; ++w) {
        warps[w].clocks.assign(warp_count, 0);
        warps[w].clocks[w] = 1;
    }
    warpgroups.assign((count + kWarpgroup - 1) / kWarpgroup, Warpgroup{});
    proxy_fences.assign(count, 0);
    agents.clear();
    end_checks.clear();
    ++block_serial;
    while (stacks.size() < count)
        stacks.push_back(std::make_unique<FiberStack>());
    threads.clear();
    threads.resize(count);
    runnable.clear();
    at_barrier.clear();
    named = {};
    exited = 0;
    block_epoch = 0;
    const std::function<void()> guarded = [&] {
        try {
            body();
            if (warp_of(*running).arrived > 0)
                fault(concat("ends while other lanes wait in ", warp_of(*running).collective));
            const Warpgroup& group = warpgroups[index_of(*running) / kWarpgroup];
            if (group.arrived > 0)
                fault(concat("ends while others of the warpgroup wait in ", group.collective));
            ++exited;
        } catch (const Fault& found) {
            failed = true;
            failure = found.what;
        } catch (...) {
            failed = true;
            foreign = std::current_exception();
        }
    };
    for (std::size_t t = 0; t < count; ++t) {
        threads[t].place = {static_cast<int>(t), static_cast<int>(count), index, grid.grid, memory,
                            grid.shared_bytes};
        threads[t].fiber.start(*stacks[t], guarded);
        runnable.push_back(t);
    }
    schedule();
    if (!failed && exited < count) {
        failed = true;
        for (const Thread& thread : threads)
            if (thread.waits_for != nullptr) {
                failure = concat("thread ", thread.place.thread, ": divergence: waits for ever at ",
                                 thread.waits_for, ", where not all come (", exited, " of ", count,
                                 " threads have ended)");
                break;
            }
    }
    if (!failed)
        end_block();
    if (!failed)
        return;
    failed = false;
    if (foreign)
        std::rethrow_exception(std::exchange(foreign, nullptr));
    fail(ErrorCode::device_failure, concat("run ", kernel, ": block (", index.x, ", ", index.y,
                                           ", ", index.z, "), ", failure));
}

} // namespace clip::cuda::emulation

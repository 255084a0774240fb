// SPDX-License-Identifier: MIT
#include "backend/cuda/emulation/emulator.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "backend/cuda/device_types.hpp"
#include "backend/cuda/emulation/fiber.hpp"
#include "backend/cuda/emulation/thread_ops.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda::emulation {

namespace {

constexpr std::size_t kLanes = 32;
constexpr std::size_t kWarpgroup = 128;
constexpr std::size_t kMaxSharedBytes = std::size_t{227} << 10; // of an H100
constexpr std::uint64_t kFirstSeed = 0x9e3779b97f4a7c15ULL;

/// splitmix64
std::uint64_t next_random(std::uint64_t& state) {
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
    std::mutex turn;
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

    void run_block(std::string_view kernel, const Grid& grid, Dim3 index,
                   const std::function<void()>& body);
    void schedule();
    void run_agent();
    void wake_ready();
    void end_block();
    void join(const std::vector<std::size_t>& members, bool whole_block);
    std::size_t index_of(const Thread& thread) const {
        return static_cast<std::size_t>(thread.place.thread);
    }
    Warp& warp_of(const Thread& thread) { return warps[index_of(thread) / kLanes]; }
    void wait(const char* what) {
        running->waits_for = what;
        running->fiber.pause();
    }
    void wake(std::size_t thread) {
        threads[thread].waits_for = nullptr;
        runnable.push_back(thread);
    }
};

Emulator& emulator() {
    static Emulator& instance = *new Emulator; // never destroyed, as device_state()
    return instance;
}

Dim3 unflatten(std::uint64_t index, const Dim3& extents) {
    return {static_cast<unsigned>(index % extents.x),
            static_cast<unsigned>(index / extents.x % extents.y),
            static_cast<unsigned>(index / extents.x / extents.y)};
}

/// A barrier: what any of these threads did comes before what any of them does next.
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

// What follows is called by the running thread.

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

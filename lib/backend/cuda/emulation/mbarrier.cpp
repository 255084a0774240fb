// SPDX-License-Identifier: MIT
// Barriers that count bytes, and the copies that they count.
#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/cuda/emulation/async_ops.hpp"
#include "backend/cuda/emulation/thread_ops.hpp"
#include "base/concat.hpp"

namespace clip::cuda::emulation {

namespace {

constexpr std::uint64_t kTag = 0x6d62617272696572ULL; // lies where a barrier is
constexpr int kRowBytes = kTileColumns * 2;
constexpr int kChunk = 16;
constexpr std::int64_t kMostBytes = (1 << 20) - 1; // of a phase

struct MBarrier {
    int wanted = 0;
    int pending = 0;               ///< arrivals that this phase still waits for
    std::int64_t bytes = 0;        ///< expected less those that have come
    std::uint32_t phase = 0;       ///< phases that have ended
    int under_way = 0;             ///< copies of this phase
    std::vector<std::byte*> tiles; ///< chunks that this phase's copies write to
    int maker = 0;                 ///< thread that initialised it
    std::uint32_t maker_fences = 0;
    std::size_t clock = 0; ///< of what its copies wrote
    std::vector<std::uint32_t> arriving, ended;
};

/// The barriers of the block that runs, by address.
std::map<const void*, MBarrier>& barriers() {
    static std::map<const void*, MBarrier> of_block;
    static std::uint64_t block = 0;
    if (block != block_serial()) {
        of_block.clear();
        block = block_serial();
    }
    return of_block;
}

MBarrier& find(const void* at) {
    check_shared(at, sizeof(kTag), Access::read);
    const auto found = barriers().find(at);
    if (found == barriers().end() || std::memcmp(at, &kTag, sizeof(kTag)) != 0)
        fault("no mbarrier was initialised there, or it has been written over");
    return found->second;
}

/// Ends the phase where everything has come. Says what is wrong.
std::string end_phase(MBarrier& b) {
    if (b.pending > 0)
        return {};
    if (b.bytes < 0)
        return "more bytes came to an mbarrier than were expected";
    if (b.bytes > 0)
        return {};
    if (b.under_way > 0)
        return "a phase of an mbarrier ended while copies of it were under way: fewer bytes were"
               " expected than they bring";
    ++b.phase;
    b.pending = b.wanted;
    b.arriving.resize(std::max(b.arriving.size(), b.clock + 1), 0);
    b.arriving[b.clock] = b.phase;
    b.ended = b.arriving;
    Actor agent;
    agent.block = block_number();
    agent.warp = static_cast<std::uint16_t>(b.clock);
    agent.thread = static_cast<std::uint16_t>(b.clock * 32);
    agent.clocks = b.ended.data();
    std::string wrong;
    for (std::byte* chunk : b.tiles)
        if (wrong.empty())
            wrong = shared_shadow().end_copy(chunk, kChunk, agent);
    b.tiles.clear();
    wake_ready();
    return wrong;
}

void end_phase_or_fault(MBarrier& b) {
    const std::string wrong = end_phase(b);
    if (!wrong.empty())
        fault(wrong);
}

/// Checks that the elements of a row of the tile can be read, and where they are zeros.
void read_row(const TensorMap& map, std::int64_t row, std::int64_t column, std::byte* into) {
    std::memset(into, 0, kRowBytes);
    if (row < 0 || row >= map.rows)
        return;
    const std::int64_t first = std::max<std::int64_t>(column, 0);
    const std::int64_t end = std::min(column + kTileColumns, map.columns);
    const std::byte* line = map.base + row * map.row_bytes;
    for (std::int64_t c = first; c < end;) {
        const bool whole = c % 8 == 0 && c + 8 <= end;
        check_global(line + c * 2, whole ? kChunk : 2, Access::read);
        std::memcpy(into + (c - column) * 2, line + c * 2, whole ? kChunk : 2);
        c += whole ? 8 : 1;
    }
}

} // namespace

void barrier_init(void* barrier, int arrivals) {
    check_shared(barrier, sizeof(kTag), Access::write);
    if (arrivals < 1 || arrivals >= 1 << 20)
        fault(concat("an mbarrier for ", arrivals, " arrivals"));
    std::memcpy(barrier, &kTag, sizeof(kTag));
    MBarrier made;
    made.wanted = made.pending = arrivals;
    made.maker = here().thread;
    made.maker_fences = proxy_fences()[static_cast<std::size_t>(made.maker)];
    made.clock = add_clock();
    barriers()[barrier] = std::move(made);
}

void fence_barrier_init() {
    fence_proxy();
}

void barrier_arrive(void* barrier, int expected_bytes) {
    MBarrier& b = find(barrier);
    if (b.pending == 0)
        fault("more arrivals at an mbarrier than it was initialised for");
    b.bytes += expected_bytes;
    if (expected_bytes < 0 || b.bytes > kMostBytes)
        fault(concat("an mbarrier that expects ", b.bytes, " bytes"));
    release_clocks(b.arriving);
    --b.pending;
    end_phase_or_fault(b);
}

void barrier_wait(const void* barrier, int phase) {
    const MBarrier& b = find(barrier);
    const std::uint32_t parity = static_cast<std::uint32_t>(phase) & 1U;
    wait_until("a phase of an mbarrier", [&b, parity] { return (b.phase & 1U) != parity; });
    acquire_clocks(b.ended);
}

void tma_load_2d(void* to, const TensorMap& map, int column, int row, void* barrier) {
    MBarrier& b = find(barrier);
    if (proxy_fences()[static_cast<std::size_t>(b.maker)] == b.maker_fences)
        fault("a copy is to be counted by an mbarrier of which fence_barrier_init() has not told"
              " the async proxy");
    if (shared_address(to) % 1024 != 0)
        fault(concat("a swizzled tile at offset ", shared_address(to),
                     " of shared memory, which is no multiple of 1024"));
    const auto rows = static_cast<std::size_t>(map.tile_rows);
    auto bytes = std::make_shared<std::vector<std::byte>>(rows * kRowBytes);
    auto* tile = static_cast<std::byte*>(to);
    for (std::size_t r = 0; r < rows; ++r) {
        std::byte line[kRowBytes];
        read_row(map, std::int64_t{row} + static_cast<std::int64_t>(r), column, line);
        for (std::size_t chunk = 0; chunk < kRowBytes / kChunk; ++chunk)
            std::memcpy(bytes->data() + r * kRowBytes + (chunk ^ r % 8) * kChunk,
                        line + chunk * kChunk, kChunk);
    }
    for (std::size_t i = 0; i < bytes->size(); i += kChunk) {
        std::string wrong = shared_shadow().check_async(tile + i, kChunk, proxy_fences());
        if (wrong.empty())
            wrong = shared_shadow().begin_copy(tile + i, kChunk, actor());
        if (!wrong.empty())
            fault(concat("a copy to shared memory: ", wrong));
        b.tiles.push_back(tile + i);
    }
    ++b.under_way;
    start_agent([&b, tile, bytes] {
        std::memcpy(tile, bytes->data(), bytes->size());
        --b.under_way;
        b.bytes -= static_cast<std::int64_t>(bytes->size());
        return end_phase(b);
    });
}

} // namespace clip::cuda::emulation

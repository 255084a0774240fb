// SPDX-License-Identifier: MIT
#include "backend/cuda/emulation/shadow.hpp"

#include <algorithm>
#include <cstring>

#include "base/concat.hpp"

namespace clip::cuda::emulation {

namespace {

constexpr std::size_t kPageCells = 2048;

Stamp stamp_of(const Actor& actor, bool atomic) {
    return {actor.block, actor.clock(), actor.lane_epoch, actor.thread, atomic};
}

std::string race(const char* before, const Stamp& stamp, const char* now) {
    return concat("race: ", before, " by thread ", stamp.thread, " of block ", stamp.block - 1,
                  " and ", now, " here, with no barrier between");
}

} // namespace

bool comes_before(const Stamp& stamp, const Actor& actor) {
    if (stamp.block != actor.block)
        return stamp.block == 0;
    if (stamp.thread == actor.thread)
        return true;
    const unsigned warp = stamp.thread / 32U;
    if (warp == actor.warp)
        return stamp.lane_epoch < actor.lane_epoch;
    return actor.clocks[warp] >= stamp.clock;
}

void GlobalShadow::add(void* at, std::size_t bytes) {
    Allocation made;
    made.begin = reinterpret_cast<std::uintptr_t>(at);
    made.end = made.begin + bytes;
    const std::size_t cells = (bytes + kCellBytes - 1) / kCellBytes;
    made.written.assign((cells + 63) / 64, 0);
    made.pages.resize((cells + kPageCells - 1) / kPageCells);
    const auto place =
        std::upper_bound(allocations_.begin(), allocations_.end(), made.begin,
                         [](std::uintptr_t a, const Allocation& b) { return a < b.begin; });
    allocations_.insert(place, std::move(made));
}

void GlobalShadow::remove(void* at) {
    const auto address = reinterpret_cast<std::uintptr_t>(at);
    std::erase_if(allocations_, [&](const Allocation& a) { return a.begin == address; });
    last_ = 0;
}

const GlobalShadow::Allocation* GlobalShadow::find(std::uintptr_t at) const {
    const auto after =
        std::upper_bound(allocations_.begin(), allocations_.end(), at,
                         [](std::uintptr_t a, const Allocation& b) { return a < b.begin; });
    if (after == allocations_.begin())
        return nullptr;
    const Allocation& found = *(after - 1);
    return at < found.end ? &found : nullptr;
}

GlobalShadow::Allocation* GlobalShadow::find(std::uintptr_t at) {
    if (last_ < allocations_.size() && at >= allocations_[last_].begin &&
        at < allocations_[last_].end)
        return &allocations_[last_];
    const Allocation* found = static_cast<const GlobalShadow*>(this)->find(at);
    if (found == nullptr)
        return nullptr;
    last_ = static_cast<std::size_t>(found - allocations_.data());
    return &allocations_[last_];
}

void GlobalShadow::mark_written(void* at, std::size_t bytes) {
    const auto address = reinterpret_cast<std::uintptr_t>(at);
    Allocation* in = find(address);
    if (in == nullptr || bytes == 0)
        return;
    const std::size_t first = (address - in->begin) / kCellBytes;
    const std::size_t end = std::min((address - in->begin + bytes + kCellBytes - 1) / kCellBytes,
                                     (in->end - in->begin + kCellBytes - 1) / kCellBytes);
    std::size_t cell = first;
    for (; cell < end && cell % 64 != 0; ++cell)
        in->written[cell / 64] |= std::uint64_t{1} << (cell % 64);
    for (; cell + 64 <= end; cell += 64)
        in->written[cell / 64] = ~std::uint64_t{0};
    for (; cell < end; ++cell)
        in->written[cell / 64] |= std::uint64_t{1} << (cell % 64);
}

void GlobalShadow::mark_unwritten(void* at, std::size_t bytes) {
    const auto address = reinterpret_cast<std::uintptr_t>(at);
    Allocation* in = find(address);
    if (in == nullptr)
        return;
    const std::size_t offset = address - in->begin;
    const std::size_t end = std::min(offset + bytes, in->end - in->begin) / kCellBytes;
    for (std::size_t cell = (offset + kCellBytes - 1) / kCellBytes; cell < end; ++cell)
        in->written[cell / 64] &= ~(std::uint64_t{1} << (cell % 64));
}

bool GlobalShadow::is_written(const void* at, std::size_t bytes) const {
    const auto address = reinterpret_cast<std::uintptr_t>(at);
    const Allocation* in = find(address);
    if (in == nullptr || address + bytes > in->end)
        return false;
    for (std::size_t cell = (address - in->begin) / kCellBytes;
         cell * kCellBytes < address - in->begin + bytes; ++cell)
        if ((in->written[cell / 64] >> (cell % 64) & 1U) == 0)
            return false;
    return true;
}

std::string GlobalShadow::touch(GlobalCell& cell, Access access, const Actor& actor) const {
    if (cell.launch != launch_) {
        cell = GlobalCell{};
        cell.launch = launch_;
    }
    const bool atomic = access == Access::atomic;
    if (!comes_before(cell.writer, actor) && !(atomic && cell.writer.atomic))
        return race("written", cell.writer, access == Access::read ? "read" : "written");
    if (access == Access::read) {
        if (cell.reader.block != 0) {
            if (cell.reader.block != actor.block)
                cell.many_blocks = true;
            else if (actor.block_epoch > cell.read_epoch)
                // A barrier of the whole block came after all of them: whoever writes has heard.
                cell.many_warps = cell.many_lanes = false;
            else if (cell.reader.thread / 32U != actor.warp)
                cell.many_warps = true;
            else if (cell.reader.thread != actor.thread &&
                     cell.reader.lane_epoch == actor.lane_epoch)
                cell.many_lanes = true;
            else if (cell.reader.lane_epoch != actor.lane_epoch)
                cell.many_lanes = false;
        }
        cell.read_epoch = std::max(cell.read_epoch, actor.block_epoch);
        cell.reader = stamp_of(actor, false);
        return {};
    }
    if (cell.reader.block != 0 && !(atomic && cell.reader.atomic)) {
        // Where several warps read, a barrier of the whole block must have come after all of them.
        bool heard = !cell.many_blocks && comes_before(cell.reader, actor);
        if (cell.many_warps)
            heard = heard && actor.block_epoch > cell.read_epoch;
        if (cell.many_lanes && cell.reader.thread / 32U == actor.warp)
            heard = heard && cell.reader.lane_epoch < actor.lane_epoch;
        if (!heard)
            return race("read", cell.reader, "written");
    }
    cell.writer = stamp_of(actor, atomic);
    cell.reader = {};
    cell.many_blocks = cell.many_lanes = cell.many_warps = false;
    cell.read_epoch = 0;
    return {};
}

std::string GlobalShadow::check(const void* at, std::size_t bytes, Access access,
                                const Actor& actor) {
    const auto address = reinterpret_cast<std::uintptr_t>(at);
    Allocation* in = find(address);
    if (in == nullptr || address + bytes > in->end)
        return concat("out of bounds: ", bytes, " bytes of global memory",
                      in == nullptr ? std::string(" that is not allocated")
                                    : concat(" at offset ", address - in->begin,
                                             " of an allocation of ", in->end - in->begin));
    if (bytes == 0 || address % bytes != 0)
        return concat("misaligned: ", bytes, " bytes at offset ", address - in->begin);
    const std::size_t offset = address - in->begin;
    for (std::size_t cell = offset / kCellBytes; cell * kCellBytes < offset + bytes; ++cell) {
        std::vector<GlobalCell>& page = in->pages[cell / kPageCells];
        if (page.empty())
            page.resize(kPageCells);
        std::uint64_t& written = in->written[cell / 64];
        const std::uint64_t bit = std::uint64_t{1} << (cell % 64);
        if (access != Access::write && (written & bit) == 0)
            return concat("read of global memory that was never written, at offset ",
                          cell * kCellBytes, " of an allocation of ", in->end - in->begin);
        std::string fault = touch(page[cell % kPageCells], access, actor);
        if (!fault.empty())
            return concat(fault, " (global memory, offset ", cell * kCellBytes,
                          " of an allocation of ", in->end - in->begin, ")");
        if (access != Access::read)
            written |= bit;
    }
    return {};
}

void SharedShadow::begin_block(std::byte* memory, std::size_t bytes, std::size_t warps) {
    begin_ = reinterpret_cast<std::uintptr_t>(memory);
    bytes_ = bytes;
    const std::size_t cells = (bytes + kCellBytes - 1) / kCellBytes;
    if (cells_.size() < cells)
        cells_.resize(cells);
    if (warps != warps_ || read_clocks_.size() < cells * warps) {
        warps_ = warps;
        read_clocks_.assign(cells_.size() * warps, 0);
        for (SharedCell& cell : cells_)
            cell.generation = 0;
    }
    ++generation_;
    std::memset(memory, 0xff, bytes); // NaN in every floating type
}

std::string SharedShadow::locate(const void* at, std::size_t bytes, std::size_t& first,
                                 std::size_t& end) {
    const auto address = reinterpret_cast<std::uintptr_t>(at);
    if (address < begin_ || address + bytes > begin_ + bytes_)
        return concat("out of bounds: ", bytes, " bytes at offset ",
                      static_cast<std::ptrdiff_t>(address - begin_), " of ", bytes_,
                      " of shared memory");
    if (bytes == 0 || address % bytes != 0)
        return concat("misaligned: ", bytes, " bytes at offset ", address - begin_,
                      " of shared memory");
    first = (address - begin_) / kCellBytes;
    end = (address - begin_ + bytes + kCellBytes - 1) / kCellBytes;
    return {};
}

std::string SharedShadow::read(std::size_t index, const Actor& actor) {
    SharedCell& cell = cells_[index];
    if (cell.generation != generation_)
        return "read of shared memory that was never written";
    if (cell.pending)
        return "read of shared memory before the asynchronous copy to it was waited for";
    if (!comes_before(cell.writer, actor))
        return race("written", cell.writer, "read");
    cell.many_lanes = cell.reader.block != 0 && cell.reader.thread / 32U == actor.warp &&
                      cell.reader.lane_epoch == actor.lane_epoch &&
                      (cell.many_lanes || cell.reader.thread != actor.thread);
    cell.reader = stamp_of(actor, false);
    read_clocks_[index * warps_ + actor.warp] = actor.clock();
    return {};
}

std::string SharedShadow::write(std::size_t index, const Actor& actor, bool atomic) {
    SharedCell& cell = cells_[index];
    std::uint32_t* clocks = &read_clocks_[index * warps_];
    if (cell.generation != generation_) {
        cell = SharedCell{};
        cell.generation = generation_;
        std::fill(clocks, clocks + warps_, 0U);
    }
    if (cell.pending)
        return "written to before the asynchronous copy to there was waited for";
    if (!comes_before(cell.writer, actor) && !(atomic && cell.writer.atomic))
        return race("written", cell.writer, "written");
    for (std::size_t w = 0; w < warps_; ++w)
        if (w != actor.warp && clocks[w] != 0 && actor.clocks[w] < clocks[w])
            return concat("race: read by warp ", w, " and written here, with no barrier between");
    if (cell.reader.block != 0 && cell.reader.thread / 32U == actor.warp &&
        cell.reader.lane_epoch == actor.lane_epoch &&
        (cell.many_lanes || cell.reader.thread != actor.thread))
        return race("read", cell.reader, "written");
    cell.writer = stamp_of(actor, atomic);
    cell.proxy_fences = actor.proxy_fences;
    cell.reader = {};
    cell.many_lanes = false;
    std::fill(clocks, clocks + warps_, 0U);
    return {};
}

std::string SharedShadow::check(const void* at, std::size_t bytes, Access access,
                                const Actor& actor) {
    std::size_t first = 0, end = 0;
    std::string fault = locate(at, bytes, first, end);
    for (std::size_t i = first; i < end && fault.empty(); ++i) {
        if (access == Access::atomic && cells_[i].generation != generation_)
            fault = "read of shared memory that was never written";
        else
            fault =
                access == Access::read ? read(i, actor) : write(i, actor, access == Access::atomic);
        if (!fault.empty())
            fault = concat(fault, " (shared memory, offset ", i * kCellBytes, ")");
    }
    return fault;
}

std::string SharedShadow::check_async(const void* at, std::size_t bytes,
                                      const std::vector<std::uint32_t>& fences) {
    std::size_t first = 0, end = 0;
    std::string fault = locate(at, bytes, first, end);
    for (std::size_t i = first; i < end && fault.empty(); ++i) {
        const SharedCell& cell = cells_[i];
        if (cell.generation == generation_ && cell.writer.thread < fences.size() &&
            fences[cell.writer.thread] == cell.proxy_fences)
            fault = concat("written by thread ", cell.writer.thread,
                           ", who did not fence_proxy_async() before an asynchronous access"
                           " (shared memory, offset ",
                           i * kCellBytes, ")");
    }
    return fault;
}

std::string SharedShadow::begin_copy(void* at, std::size_t bytes, const Actor& actor) {
    std::string fault = check(at, bytes, Access::write, actor);
    std::size_t first = 0, end = 0;
    if (fault.empty())
        fault = locate(at, bytes, first, end);
    for (std::size_t i = first; i < end && fault.empty(); ++i)
        cells_[i].pending = true;
    if (fault.empty())
        std::memset(at, 0xff, bytes);
    return fault;
}

std::string SharedShadow::end_copy(void* at, std::size_t bytes, const Actor& actor) {
    std::size_t first = 0, end = 0;
    std::string fault = locate(at, bytes, first, end);
    for (std::size_t i = first; i < end; ++i) {
        cells_[i].pending = false;
        cells_[i].writer = stamp_of(actor, false);
    }
    return fault;
}

} // namespace clip::cuda::emulation

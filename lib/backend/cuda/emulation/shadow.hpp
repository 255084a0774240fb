// SPDX-License-Identifier: MIT
// What is known of every piece of device memory: whether it was written, by whom, and when; so that
// an access that a GPU would let pass is a fault here.
//
// Happens-before. A block's threads are ordered by barriers. Between warps, each warp has a vector
// of clocks, one a warp, that a barrier joins: an access by warp w at its clock c comes before what
// warp v does now if v has heard of a later clock of w. Inside a warp, lanes are ordered by an
// epoch that every barrier which the lanes take part in raises. Blocks of a grid are not ordered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace clip::cuda::emulation {

/// Shadows have one cell for so many bytes: two, the smallest element that kernels write.
constexpr std::size_t kCellBytes = 2;

enum class Access : std::uint8_t { read, write, atomic };

/// Who does an access, and what he has heard of others.
struct Actor {
    std::uint32_t block = 0;  ///< 1-based in the grid
    std::uint16_t thread = 0; ///< in the block
    std::uint16_t warp = 0;
    std::uint32_t lane_epoch = 0;          ///< of his warp
    std::uint32_t block_epoch = 0;         ///< barriers of the whole block that were
    const std::uint32_t* clocks = nullptr; ///< of his warp, one a warp of the block
    std::uint32_t proxy_fences = 0;        ///< how often he executed fence_proxy_async()
    std::uint32_t clock() const { return clocks[warp]; }
};

/// An access that was.
struct Stamp {
    std::uint32_t block = 0; ///< 0: none
    std::uint32_t clock = 0;
    std::uint32_t lane_epoch = 0;
    std::uint16_t thread = 0;
    bool atomic = false;
};

/// Of global memory; says nothing about launches before `launch`.
struct GlobalCell {
    std::uint32_t launch = 0;
    std::uint32_t read_epoch = 0; ///< the latest block_epoch of any reader
    Stamp writer;
    Stamp reader;            ///< the last one
    bool many_warps = false; ///< readers of several warps of one block
    bool many_lanes = false; ///< several readers of the last one's warp in its epoch
    bool many_blocks = false;
};

/// Of a block's shared memory. Readers' clocks lie beside it, one a warp.
struct SharedCell {
    std::uint32_t generation = 0;   ///< of the block; another one: never written
    bool pending = false;           ///< an asynchronous copy to here has not been waited for
    std::uint32_t proxy_fences = 0; ///< of the writer when he wrote
    Stamp writer;
    Stamp reader;
    bool many_lanes = false;
};

/// The global memory of the emulated device.
class GlobalShadow {
  public:
    void add(void* at, std::size_t bytes);
    void remove(void* at);
    void mark_written(void* at, std::size_t bytes);
    /// The opposite, for the cells that lie wholly inside.
    void mark_unwritten(void* at, std::size_t bytes);
    bool is_written(const void* at, std::size_t bytes) const;
    /// A launch begins: nothing before it races with it.
    void begin_launch() { ++launch_; }
    /// Empty, or what is wrong with this access.
    std::string check(const void* at, std::size_t bytes, Access access, const Actor& actor);

  private:
    struct Allocation {
        std::uintptr_t begin = 0, end = 0;
        std::vector<std::uint64_t> written;         ///< a bit a cell
        std::vector<std::vector<GlobalCell>> pages; ///< made when they are first used
    };
    Allocation* find(std::uintptr_t at);
    const Allocation* find(std::uintptr_t at) const;
    std::string touch(GlobalCell& cell, Access access, const Actor& actor) const;

    std::vector<Allocation> allocations_; ///< by address
    std::size_t last_ = 0;                ///< the one found last
    std::uint32_t launch_ = 0;
};

/// The shared memory of the block that runs.
class SharedShadow {
  public:
    /// A new block begins: its memory is poisoned and counts as never written.
    void begin_block(std::byte* memory, std::size_t bytes, std::size_t warps);
    /// Empty, or what is wrong with this access.
    std::string check(const void* at, std::size_t bytes, Access access, const Actor& actor);
    /// An asynchronous copy to here begins, or is there.
    /// Whether the async proxy (TMA, wgmma) sees what threads wrote here: empty, or who did not
    /// fence. `fences` are how often each thread of the block did.
    std::string check_async(const void* at, std::size_t bytes,
                            const std::vector<std::uint32_t>& fences);
    std::string begin_copy(void* at, std::size_t bytes, const Actor& actor);
    std::string end_copy(void* at, std::size_t bytes, const Actor& actor);

  private:
    std::string locate(const void* at, std::size_t bytes, std::size_t& first, std::size_t& end);
    std::string write(std::size_t cell, const Actor& actor, bool atomic);
    std::string read(std::size_t cell, const Actor& actor);

    std::uintptr_t begin_ = 0;
    std::size_t bytes_ = 0, warps_ = 1;
    std::uint32_t generation_ = 0;
    std::vector<SharedCell> cells_;
    std::vector<std::uint32_t> read_clocks_; ///< warps_ a cell; 0: none
};

/// Whether `stamp` comes before what `actor` does now.
bool comes_before(const Stamp& stamp, const Actor& actor);

} // namespace clip::cuda::emulation

// SPDX-License-Identifier: MIT
#include "io/hdf5/chunk_tree.hpp"

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::io::hdf5 {

namespace {

constexpr std::size_t kHeadBytes = 24;
constexpr int kMaxLevel = 32;
// Every node has entries, so that a tree of N chunks has about as many nodes at most, as long as it
// is one: what a file calls a tree may go in circles.
constexpr std::uint64_t kNodesPerChunk = 16;

class TreeReader {
  public:
    TreeReader(const ByteSource& file, const ChunkGrid& grid, const std::string& what)
        : file_(file), grid_(grid), what_(what),
          key_bytes_(8 + 8 * (static_cast<std::size_t>(grid.rank) + 1)) {
        chunks_.resize(static_cast<std::size_t>(grid.down() * grid.across()));
        nodes_left_ = (chunks_.size() + 1) * kNodesPerChunk;
    }

    std::vector<Chunk> read(std::uint64_t root) {
        if (root != kNowhere)
            read_node(root, kMaxLevel);
        return std::move(chunks_);
    }

  private:
    void read_node(std::uint64_t address, int below) {
        if (nodes_left_-- == 0)
            fail_format(what_, "its index of chunks goes in circles");
        const std::string head = file_.read(address, kHeadBytes, what_);
        ByteCursor cursor(head, what_);
        if (cursor.take(4) != "TREE" || cursor.u8() != 1)
            fail_format(what_, "no index of chunks where one should be");
        const int level = cursor.u8();
        const std::size_t entries = cursor.u16();
        if (level >= below)
            fail_format(what_, "its index of chunks has levels in a wrong order");
        const std::string body =
            file_.read(address + kHeadBytes, entries * (key_bytes_ + 8), what_);
        ByteCursor entry(body, what_);
        for (std::size_t i = 0; i < entries; ++i) {
            Chunk chunk;
            chunk.stored = entry.u32();
            chunk.skipped = entry.u32();
            const std::uint64_t row = entry.u64();
            const std::uint64_t column = grid_.rank == 2 ? entry.u64() : 0;
            entry.skip(8); // within an element: always 0
            chunk.address = entry.u64();
            if (level > 0)
                read_node(chunk.address, level);
            else
                place(chunk, row, column);
        }
    }

    void place(const Chunk& chunk, std::uint64_t row, std::uint64_t column) {
        if (row % grid_.chunk_rows != 0 || column % grid_.chunk_columns != 0)
            fail_format(what_, "a chunk that begins inside another");
        if (row >= grid_.rows || column >= grid_.columns)
            fail_format(what_, "a chunk outside of the dataset");
        if (!file_.holds(chunk.address, chunk.stored))
            fail(ErrorCode::truncated,
                 concat(what_, ": row ", row, ": the file ends before its chunk does"));
        Chunk& slot = chunks_[static_cast<std::size_t>(row / grid_.chunk_rows * grid_.across() +
                                                       column / grid_.chunk_columns)];
        if (slot.address != kNowhere)
            fail_format(what_, concat("the chunk of row ", row, " is there twice"));
        slot = chunk;
    }

    const ByteSource& file_;
    const ChunkGrid& grid_;
    const std::string& what_;
    std::size_t key_bytes_;
    std::uint64_t nodes_left_ = 0;
    std::vector<Chunk> chunks_;
};

} // namespace

std::vector<Chunk> read_chunk_tree(const ByteSource& file, std::uint64_t root,
                                   const ChunkGrid& grid, const std::string& what) {
    return TreeReader(file, grid, what).read(root);
}

} // namespace clip::io::hdf5

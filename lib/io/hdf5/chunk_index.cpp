// SPDX-License-Identifier: MIT
#include "io/hdf5/chunk_index.hpp"

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/hdf5/chunk_arrays.hpp"
#include "io/hdf5/chunk_tree.hpp"

namespace clip::io::hdf5 {

namespace {

/// Every chunk has its address in the file, but for an implicit index; there it has its bytes.
void check_count(const ByteSource& file, const Layout& layout, const ChunkGrid& grid,
                 std::uint64_t chunk_bytes, const std::string& what) {
    constexpr std::uint64_t kAddressBytes = 8;
    const std::uint64_t most =
        file.size() / (layout.index == Layout::Index::implicit ? chunk_bytes : kAddressBytes);
    if (grid.down() > most || (grid.down() > 0 && grid.across() > most / grid.down()))
        fail(ErrorCode::truncated,
             concat(what, ": declares ", grid.rows, " rows but stores fewer"));
}

/// The newer indexes number the chunks of a dataset that has grown as far as it may, so that a
/// chunk keeps its number.
class Numbering {
  public:
    Numbering(const ChunkGrid& grid, const std::string& what) {
        if (grid.most_columns == kNowhere || grid.most_columns < grid.columns)
            fail_unsupported(what, "it may grow by columns");
        across_ = (grid.most_columns - 1) / grid.chunk_columns + 1;
        if (across_ > kMost / grid.down())
            fail_format(what, "its chunks are too many");
        count_ = (grid.down() - 1) * across_ + grid.across();
    }
    std::uint64_t of(std::uint64_t row, std::uint64_t column) const {
        return row * across_ + column;
    }
    /// One more than the last.
    std::uint64_t count() const { return count_; }

  private:
    static constexpr std::uint64_t kMost = std::uint64_t{1} << 40;
    std::uint64_t across_ = 1;
    std::uint64_t count_ = 0;
};

} // namespace

std::vector<Chunk> read_chunks(const ByteSource& file, const Layout& layout, const ChunkGrid& grid,
                               std::uint64_t chunk_bytes, bool filtered, const std::string& what) {
    check_count(file, layout, grid, chunk_bytes, what);
    if (grid.rows == 0)
        return {};
    if (layout.index == Layout::Index::tree)
        return read_chunk_tree(file, layout.address, grid, what);
    const Numbering numbering(grid, what);
    std::vector<Chunk> out(static_cast<std::size_t>(grid.down() * grid.across()));
    if (layout.address == kNowhere)
        return out;
    ChunkArray array;
    if (layout.index == Layout::Index::fixed_array)
        array = read_fixed_array(file, layout.address, numbering.count(), what);
    else if (layout.index == Layout::Index::extensible_array)
        array = read_extensible_array(file, layout.address, numbering.count(), what);
    else if (layout.index == Layout::Index::single && out.size() != 1)
        fail_format(what, "one chunk stands for several");
    for (std::uint64_t row = 0; row < grid.down(); ++row)
        for (std::uint64_t column = 0; column < grid.across(); ++column) {
            const std::uint64_t number = numbering.of(row, column);
            Chunk& chunk = out[static_cast<std::size_t>(row * grid.across() + column)];
            chunk.stored = chunk_bytes;
            switch (layout.index) {
            case Layout::Index::single:
                chunk = {layout.address, filtered ? layout.single_stored : chunk_bytes,
                         layout.single_skipped};
                break;
            case Layout::Index::implicit:
                chunk.address = layout.address + number * chunk_bytes;
                break;
            default:
                chunk.address = array.chunks[static_cast<std::size_t>(number)].address;
                if (array.filtered) {
                    chunk.stored = array.chunks[static_cast<std::size_t>(number)].stored;
                    chunk.skipped = array.chunks[static_cast<std::size_t>(number)].skipped;
                }
            }
            if (chunk.address != kNowhere && !file.holds(chunk.address, chunk.stored))
                fail(ErrorCode::truncated, concat(what, ": row ", row * grid.chunk_rows,
                                                  ": the file ends before its chunk does"));
        }
    return out;
}

} // namespace clip::io::hdf5

// SPDX-License-Identifier: MIT
#include "io/hdf5/dataset.hpp"

#include <algorithm>
#include <cstring>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/hdf5/object_header.hpp"

namespace clip::io::hdf5 {

namespace {

constexpr std::uint64_t kMaxChunkBytes = std::uint64_t{1} << 28;
constexpr std::uint64_t kBlockBytes = std::uint64_t{1} << 20;
constexpr std::size_t kCacheBytes = std::size_t{16} << 20; // or one chunk, where that is more

const Message& required(const std::vector<Message>& messages, MessageType type,
                        const std::string& what) {
    const Message* message = find_message(messages, type, what);
    if (message == nullptr)
        fail(ErrorCode::bad_format, concat(what, ": not a dataset"));
    if (message->shared)
        fail_unsupported(what, "it is described elsewhere");
    return *message;
}

} // namespace

Dataset::Dataset(const ByteSource& file, std::uint64_t address, std::string what)
    : file_(&file), what_(std::move(what)), cache_(std::make_unique<Cache>()) {
    const std::vector<Message> messages = read_object_header(file, address, what_);
    space_ = parse_dataspace(required(messages, MessageType::dataspace, what_).body, what_);
    type_ = parse_datatype(required(messages, MessageType::datatype, what_).body, what_);
    if (find_message(messages, MessageType::external_files, what_) != nullptr)
        fail(ErrorCode::bad_format, concat(what_, ": its data is in another file"));
    layout_ = parse_layout(required(messages, MessageType::layout, what_).body, what_);
    if (const Message* filters = find_message(messages, MessageType::filters, what_))
        filters_ = parse_filters(filters->body, what_);
    grid_.rank = static_cast<int>(space_.sizes.size());
    if (grid_.rank == 1 || grid_.rank == 2) {
        grid_.rows = space_.sizes[0];
        grid_.most_rows = space_.most[0];
    }
    if (grid_.rank == 2) {
        grid_.columns = space_.sizes[1];
        grid_.most_columns = space_.most[1];
    }
}

void Dataset::locate() {
    expect(grid_.rank > 0 && row_bytes() > 0, "a dataset is located after it was checked");
    if (grid_.rows == 0)
        return;
    if (layout_.kind == Layout::Kind::chunked) {
        locate_chunks();
        return;
    }
    std::uint64_t stored = layout_.data.size();
    if (layout_.kind == Layout::Kind::contiguous)
        stored = layout_.address == kNowhere || layout_.address > file_->size()
                     ? 0
                     : std::min(layout_.size, file_->size() - layout_.address);
    if (stored / row_bytes() < grid_.rows)
        fail(ErrorCode::truncated,
             concat(what_, ": declares ", grid_.rows, " rows but stores fewer"));
}

void Dataset::locate_chunks() {
    if (layout_.chunk.size() != static_cast<std::size_t>(grid_.rank))
        fail_format(what_, "its chunks have another rank than itself");
    grid_.chunk_rows = layout_.chunk[0];
    grid_.chunk_columns = grid_.rank == 2 ? layout_.chunk[1] : 1;
    if (grid_.chunk_columns > kMaxChunkBytes / type_.size ||
        grid_.chunk_rows > kMaxChunkBytes / type_.size / grid_.chunk_columns)
        fail(ErrorCode::bad_format, concat(what_, ": its chunks are too large"));
    chunk_row_bytes_ = grid_.chunk_columns * type_.size;
    const std::uint64_t chunk_bytes = grid_.chunk_rows * chunk_row_bytes_;
    chunks_ = read_chunks(*file_, layout_, grid_, chunk_bytes, !filters_.empty(), what_);
    for (std::size_t i = 0; i < chunks_.size(); ++i) {
        const Chunk& chunk = chunks_[i];
        const std::uint64_t row = i / grid_.across() * grid_.chunk_rows;
        if (chunk.address == kNowhere)
            fail(ErrorCode::truncated,
                 concat(what_, ": declares ", grid_.rows, " rows but stores fewer (row ", row,
                        " is not there)"));
        // What filters make larger is a little larger.
        if (is_filtered(i) ? chunk.stored > chunk_bytes + chunk_bytes / 2 + kBlockBytes
                           : chunk.stored < chunk_bytes)
            fail(ErrorCode::bad_format, concat(what_, ": the chunk of row ", row, " has ",
                                               chunk.stored, " bytes (want ", chunk_bytes, ")"));
    }
}

bool Dataset::stores_plain_rows() const {
    return layout_.kind != Layout::Kind::chunked ||
           (filters_.empty() && grid_.chunk_columns == grid_.columns);
}

std::uint64_t Dataset::block_rows() const {
    if (layout_.kind == Layout::Kind::chunked)
        return std::min(layout_.chunk.front(), kMaxChunkBytes);
    return std::max<std::uint64_t>(1, kBlockBytes / std::max<std::uint64_t>(row_bytes(), 1));
}

bool Dataset::is_filtered(std::size_t index) const {
    if (filters_.empty())
        return false;
    // A chunk that reaches over the edge may be exempt.
    const std::uint64_t row = index / grid_.across(), column = index % grid_.across();
    return !layout_.plain_edges || ((row + 1) * grid_.chunk_rows <= grid_.rows &&
                                    (column + 1) * grid_.chunk_columns <= grid_.columns);
}

void Dataset::read(std::uint64_t first, std::uint64_t count, void* out) const {
    expect(first <= grid_.rows && count <= grid_.rows - first, "rows of a dataset are there");
    if (count == 0)
        return;
    auto* to = static_cast<char*>(out);
    if (layout_.kind == Layout::Kind::compact) {
        std::memcpy(to, layout_.data.data() + first * row_bytes(),
                    static_cast<std::size_t>(count * row_bytes()));
        return;
    }
    if (layout_.kind == Layout::Kind::contiguous) {
        read_run(layout_.address + first * row_bytes(), count * row_bytes(), first, row_bytes(),
                 to);
        return;
    }
    std::vector<char> part;
    while (count > 0) {
        const std::uint64_t within = first % grid_.chunk_rows;
        const std::uint64_t run = std::min(count, grid_.chunk_rows - within);
        const auto index = static_cast<std::size_t>(first / grid_.chunk_rows * grid_.across());
        if (grid_.chunk_columns == grid_.columns) {
            read_part(index, within, run, first, to);
        } else {
            part.resize(static_cast<std::size_t>(run * chunk_row_bytes_));
            for (std::uint64_t column = 0; column < grid_.across(); ++column) {
                read_part(index + static_cast<std::size_t>(column), within, run, first,
                          part.data());
                const std::uint64_t start = column * chunk_row_bytes_;
                const std::uint64_t bytes = std::min(chunk_row_bytes_, row_bytes() - start);
                for (std::uint64_t row = 0; row < run; ++row)
                    std::memcpy(to + row * row_bytes() + start,
                                part.data() + row * chunk_row_bytes_,
                                static_cast<std::size_t>(bytes));
            }
        }
        first += run;
        count -= run;
        to += run * row_bytes();
    }
}

/// `bytes` at `address`, where row `first` begins and each takes `row_bytes`.
void Dataset::read_run(std::uint64_t address, std::uint64_t bytes, std::uint64_t first,
                       std::uint64_t row_bytes, void* out) const {
    const std::size_t got = file_->read_some(address, static_cast<std::size_t>(bytes), out);
    if (got != bytes)
        fail(ErrorCode::truncated,
             concat(what_, ": row ", first + got / row_bytes, ": the file ends before it"));
}

/// `count` rows of chunk `index` from its row `within` on; the first is row `first` of the dataset.
void Dataset::read_part(std::size_t index, std::uint64_t within, std::uint64_t count,
                        std::uint64_t first, void* out) const {
    const std::uint64_t start = within * chunk_row_bytes_;
    if (is_filtered(index)) {
        const std::shared_ptr<const Decoded> chunk = decode(index);
        std::memcpy(out, chunk->bytes.data() + start,
                    static_cast<std::size_t>(count * chunk_row_bytes_));
    } else {
        read_run(chunks_[index].address + start, count * chunk_row_bytes_, first, chunk_row_bytes_,
                 out);
    }
}

std::shared_ptr<const Dataset::Decoded> Dataset::decode(std::size_t index) const {
    {
        const std::lock_guard lock(cache_->mutex);
        for (const auto& chunk : cache_->chunks)
            if (chunk->index == index)
                return chunk;
    }
    const Chunk& chunk = chunks_[index];
    const std::string what =
        concat(what_, ": chunk of row ", index / grid_.across() * grid_.chunk_rows);
    const auto size = static_cast<std::size_t>(grid_.chunk_rows * chunk_row_bytes_);
    auto decoded = std::make_shared<const Decoded>(Decoded{
        index,
        undo_filters(file_->read(chunk.address, static_cast<std::size_t>(chunk.stored), what),
                     filters_, chunk.skipped, size, what)});
    const std::lock_guard lock(cache_->mutex);
    cache_->chunks.push_back(decoded);
    cache_->bytes += size;
    while (cache_->bytes > kCacheBytes && cache_->chunks.size() > 1) {
        cache_->bytes -= cache_->chunks.front()->bytes.size();
        cache_->chunks.pop_front();
    }
    return decoded;
}

} // namespace clip::io::hdf5

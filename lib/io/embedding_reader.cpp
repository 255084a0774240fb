// SPDX-License-Identifier: MIT
#include "io/embedding_reader.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include <sys/stat.h>

#include "base/concat.hpp"
#include "io/embedding_columns.hpp"
#include "io/hdf5/superblock.hpp"
#include "io/input_record.hpp"
#include "io/path_escape.hpp"

namespace clip::io {

namespace {

constexpr std::int64_t kItemBlock = 1024; // strings in memory beside what is returned

bool all_finite(const float* values, std::size_t count) {
    constexpr std::uint32_t kExponent = 0x7f800000;
    std::uint32_t worst = 0; // no early way out, so that the loop is vectorised
    for (std::size_t i = 0; i < count; ++i)
        worst = std::max(worst, std::bit_cast<std::uint32_t>(values[i]) & kExponent);
    return worst < kExponent;
}

void swap_bytes(void* values, std::size_t count, std::size_t size) {
    auto* at = static_cast<unsigned char*>(values);
    for (std::size_t i = 0; i < count; ++i, at += size)
        std::reverse(at, at + size);
}

} // namespace

struct EmbeddingReader::State : EmbeddingColumns {
    void check_range(std::int64_t first, std::int64_t count) const;
    /// Items from their parts. `row_of(i)` is the row of the i-th.
    template <typename RowOf>
    void make_items(std::vector<Item>& out, std::vector<std::string> items,
                    const std::vector<std::uint8_t>& kinds, const std::vector<std::string>& extras,
                    const RowOf& row_of) const;
};

void EmbeddingReader::State::check_range(std::int64_t first, std::int64_t count) const {
    const auto rows = static_cast<std::int64_t>(embedding->rows());
    if (first < 0 || count < 0 || first > rows || count > rows - first)
        fail(ErrorCode::invalid_argument, concat(name, ": rows ", first, " to ", first + count,
                                                 " of ", rows, " were asked for"));
}

template <typename RowOf>
void EmbeddingReader::State::make_items(std::vector<Item>& out, std::vector<std::string> items,
                                        const std::vector<std::uint8_t>& kinds,
                                        const std::vector<std::string>& extras,
                                        const RowOf& row_of) const {
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (kinds[i] > 1)
            fail(ErrorCode::bad_format, concat(kind->what(), ": row ", row_of(i), " is ",
                                               static_cast<int>(kinds[i]), " (want 0 or 1)"));
        Item& to = out.emplace_back();
        to.is_text = kinds[i] == 1;
        to.item = to.is_text ? std::move(items[i]) : path_from_utf8(items[i]);
        if (!extras.empty())
            to.extra = members_of_object(extras[i]);
    }
}

EmbeddingReader::EmbeddingReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
EmbeddingReader::EmbeddingReader(EmbeddingReader&&) noexcept = default;
EmbeddingReader& EmbeddingReader::operator=(EmbeddingReader&&) noexcept = default;
EmbeddingReader::~EmbeddingReader() = default;

EmbeddingReader EmbeddingReader::open(const std::string& path) {
    return EmbeddingReader(std::make_unique<State>(State{open_embedding_columns(path)}));
}

const EmbeddingHeader& EmbeddingReader::header() const {
    return state_->header;
}
std::int64_t EmbeddingReader::rows() const {
    return static_cast<std::int64_t>(state_->embedding->rows());
}
bool EmbeddingReader::has_extra() const {
    return state_->extra.has_value();
}
const std::string& EmbeddingReader::name() const {
    return state_->name;
}
bool EmbeddingReader::stores_plain_rows() const {
    return state_->embedding->stores_plain_rows();
}
std::int64_t EmbeddingReader::block_rows() const {
    return static_cast<std::int64_t>(state_->embedding->block_rows());
}

void EmbeddingReader::read_rows_raw(std::int64_t first, std::int64_t count, void* out) const {
    state_->check_range(first, count);
    const hdf5::Dataset& embedding = *state_->embedding;
    embedding.read(static_cast<std::uint64_t>(first), static_cast<std::uint64_t>(count), out);
    if (embedding.type().big_endian != (std::endian::native == std::endian::big))
        swap_bytes(out, static_cast<std::size_t>(count * state_->header.dim),
                   embedding.type().size);
}

void EmbeddingReader::read_rows(std::int64_t first, std::int64_t count, float* out) const {
    state_->check_range(first, count);
    const auto dim = static_cast<std::size_t>(state_->header.dim);
    const std::size_t values = static_cast<std::size_t>(count) * dim;
    if (state_->header.store == DType::f16) {
        std::vector<Half> halves(values);
        read_rows_raw(first, count, halves.data());
        convert_to_f32(out, halves.data(), DType::f16, values);
    } else {
        read_rows_raw(first, count, out);
    }
    for (std::int64_t row = 0; row < count; ++row)
        if (!all_finite(out + static_cast<std::size_t>(row) * dim, dim))
            fail(ErrorCode::bad_format, concat(state_->embedding->what(), ": row ", first + row,
                                               " holds a value that is not finite"));
}

std::vector<EmbeddingReader::Item> EmbeddingReader::read_items(std::int64_t first,
                                                               std::int64_t count) const {
    const State& state = *state_;
    state.check_range(first, count);
    std::vector<Item> out;
    out.reserve(static_cast<std::size_t>(count));
    for (std::int64_t done = 0; done < count; done += kItemBlock) {
        const auto start = static_cast<std::uint64_t>(first + done);
        const auto block = static_cast<std::uint64_t>(std::min(kItemBlock, count - done));
        std::vector<std::uint8_t> kinds(static_cast<std::size_t>(block));
        state.kind->read(start, block, kinds.data());
        std::vector<std::string> extras;
        if (state.extra)
            extras = read_strings(*state.file, *state.extra, start, block);
        state.make_items(out, read_strings(*state.file, *state.item, start, block), kinds, extras,
                         [&](std::size_t i) { return start + i; });
    }
    return out;
}

std::vector<EmbeddingReader::Item>
EmbeddingReader::read_items_at(std::span<const std::int64_t> rows) const {
    const State& state = *state_;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        state.check_range(rows[i], 1);
        if (i > 0 && rows[i] <= rows[i - 1])
            fail(ErrorCode::invalid_argument,
                 concat(state.name, ": rows are asked for out of order (", rows[i], " after ",
                        rows[i - 1], ")"));
    }
    std::vector<Item> out;
    out.reserve(rows.size());
    for (std::size_t done = 0; done < rows.size(); done += kItemBlock) {
        const auto block =
            rows.subspan(done, std::min(static_cast<std::size_t>(kItemBlock), rows.size() - done));
        std::vector<std::uint8_t> kinds(block.size());
        for (std::size_t i = 0; i < block.size(); ++i)
            state.kind->read(static_cast<std::uint64_t>(block[i]), 1, &kinds[i]);
        std::vector<std::string> extras;
        if (state.extra)
            extras = read_strings_at(*state.file, *state.extra, block);
        state.make_items(out, read_strings_at(*state.file, *state.item, block), kinds, extras,
                         [&](std::size_t i) { return block[i]; });
    }
    return out;
}

bool looks_like_hdf5(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
        return false;
    try {
        return hdf5::find_signature(*hdf5::ByteSource::open(path, path)).has_value();
    } catch (const Error&) {
        return false;
    }
}

} // namespace clip::io

// SPDX-License-Identifier: MIT
#include "io/faiss_index_writer.hpp"

#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>

#include <unistd.h>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/input_record.hpp"

namespace clip::io {

static_assert(std::endian::native == std::endian::little, "indexes are written in memory order");

namespace {

constexpr long long kRowsAt = 8, kValuesAt = 37;

template <typename T>
void append_bytes(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// The bytes before the first row, with counts of 0.
std::string header(std::size_t dim) {
    std::string out = "IxFI";
    append_bytes(out, static_cast<std::int32_t>(dim));
    append_bytes(out, std::int64_t{0});
    for (int unused = 0; unused < 2; ++unused)
        append_bytes(out, std::int64_t{1} << 20);
    append_bytes(out, std::uint8_t{1});
    append_bytes(out, std::int32_t{0});
    append_bytes(out, std::uint64_t{0});
    return out;
}

const std::string& checked_path(const std::string& path) {
    if (path == "-" || is_stream_target(path))
        fail(ErrorCode::invalid_argument,
             concat("write ", path == "-" ? "standard output" : path,
                    ": a Faiss index begins with the number of its rows, which is known last; "
                    "it cannot be written to a stream (want a file)"));
    return path;
}

} // namespace

std::string faiss_items_path(const std::string& path) {
    return path + ".items.jsonl";
}

FaissIndexWriter::FaissIndexWriter(const std::string& path)
    : index_(checked_path(path)), items_(faiss_items_path(path)),
      index_out_(index_.fd(), index_.name()), items_out_(items_.fd(), items_.name()) {}

void FaissIndexWriter::add(const EngineRow& row) {
    if (row.values.empty() || (rows_ > 0 && row.values.size() != dim_))
        fail(ErrorCode::shape_mismatch, concat("write ", index_.name(), ": a vector of ",
                                               row.values.size(), " values (want ", dim_, ")"));
    if (row.values.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
        fail(ErrorCode::bad_format, concat("write ", index_.name(), ": a vector of ",
                                           row.values.size(), " values is too wide for Faiss"));
    line_.clear();
    if (row.has_item)
        begin_json_record(line_, row.item, row.is_text, row.extra);
    else
        line_.append("{").append(row.extra);
    line_ += "}\n";
    if (rows_ == 0) {
        dim_ = row.values.size();
        index_out_.write(header(dim_));
    }
    index_out_.write({reinterpret_cast<const char*>(row.values.data()), row.values.size_bytes()});
    items_out_.write(line_);
    ++rows_;
}

void FaissIndexWriter::commit() {
    if (rows_ == 0)
        fail(ErrorCode::bad_format, concat("write ", index_.name(), ": there is no vector"));
    items_out_.flush();
    index_out_.flush();
    std::string count;
    append_bytes(count, static_cast<std::int64_t>(rows_));
    write_all(index_.fd(), count, index_.name(), kRowsAt);
    count.clear();
    append_bytes(count, rows_ * std::uint64_t{dim_});
    write_all(index_.fd(), count, index_.name(), kValuesAt);
    // The larger file is brought to the disk before the smaller one takes its name: one that does
    // not fit must not leave the other's new content behind.
    if (::fsync(index_.fd()) != 0)
        fail_errno(concat("write ", index_.name()), errno);
    items_.commit();
    index_.commit();
}

} // namespace clip::io

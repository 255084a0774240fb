// SPDX-License-Identifier: MIT
#include "io/finished_rows.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "base/concat.hpp"
#include "io/embedding_reader.hpp"
#include "io/input_record.hpp"
#include "io/line_reader.hpp"

namespace clip::io {

namespace {

using Visit = std::function<void(std::uint64_t, std::string_view, bool)>;

class Hdf5Rows : public FinishedRows {
  public:
    explicit Hdf5Rows(const std::string& path) : reader_(EmbeddingReader::open(path)) {}

    const EmbeddingHeader& header() const override { return reader_.header(); }
    std::uint64_t rows() const override { return static_cast<std::uint64_t>(reader_.rows()); }
    void visit(const Visit& visit) override {
        for (std::int64_t first = 0; first < reader_.rows(); first += kBlock) {
            const std::int64_t count = std::min(kBlock, reader_.rows() - first);
            auto place = static_cast<std::uint64_t>(first);
            for (const EmbeddingReader::Item& item : reader_.read_items(first, count))
                visit(place++, item.item, item.is_text);
        }
    }
    void read(std::uint64_t place, EmbeddingRow& row) override {
        const auto wanted = static_cast<std::int64_t>(place);
        const auto dim = static_cast<std::size_t>(header().dim);
        if (items_.empty() || wanted < first_ ||
            wanted >= first_ + static_cast<std::int64_t>(items_.size())) {
            first_ = wanted;
            const std::int64_t count = std::min(kBlock, reader_.rows() - first_);
            values_.resize(static_cast<std::size_t>(count) * dim);
            items_.clear();
            reader_.read_rows(first_, count, values_.data());
            items_ = reader_.read_items(first_, count);
        }
        const auto at = static_cast<std::size_t>(wanted - first_);
        row.item = items_[at].item;
        row.is_text = items_[at].is_text;
        row.extra.clear();
        row.values.assign(values_.data() + at * dim, values_.data() + (at + 1) * dim);
    }

  private:
    static constexpr std::int64_t kBlock = 256;
    EmbeddingReader reader_;
    std::int64_t first_ = 0; // of the block in memory
    std::vector<EmbeddingReader::Item> items_;
    std::vector<float> values_;
};

/// A place is the byte at which a line begins.
class JsonlRows : public FinishedRows {
  public:
    JsonlRows(const std::string& path, const EmbeddingHeader& ours) : path_(path), header_(ours) {
        fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd_ < 0)
            fail_errno(path, errno);
        LineReader lines(fd_, path);
        std::string_view line;
        std::uint64_t at = 0;
        bool all_unit = true, none_unit = true, all_half = true;
        while (lines.next(line)) {
            const std::uint64_t start = at;
            at += line.size() + 1;
            InputRecord record = parse(line, lines.where());
            take_header(record, lines.where());
            double length = 0;
            for (const float value : record.embedding) {
                length += static_cast<double>(value) * static_cast<double>(value);
                all_half = all_half && static_cast<float>(Half(value)) == value;
            }
            // float16 rows are off by up to 2^-11.
            (std::abs(length - 1) < 4e-3 ? none_unit : all_unit) = false;
            places_.push_back({start, std::move(record.item), record.item_is_text});
        }
        // Where rows are of both kinds nothing can be said, and what this run does is assumed.
        if (all_unit != none_unit)
            header_.normalized = all_unit;
        header_.store = all_half ? DType::f16 : DType::f32;
        header_.settings = layer_.empty() ? "" : "layer=" + layer_;
    }
    ~JsonlRows() override { ::close(fd_); }

    const EmbeddingHeader& header() const override { return header_; }
    std::uint64_t rows() const override { return count_; }
    void visit(const Visit& visit) override {
        for (const Place& place : places_)
            visit(place.at, place.item, place.is_text);
        places_ = {};
    }
    void read(std::uint64_t place, EmbeddingRow& row) override {
        if (!lines_ || place != next_) {
            if (::lseek(fd_, static_cast<off_t>(place), SEEK_SET) < 0)
                fail_errno(concat("read ", path_), errno);
            lines_ = std::make_unique<LineReader>(fd_, path_);
        }
        std::string_view line;
        if (!lines_->next(line))
            fail(ErrorCode::truncated, concat(path_, ": shorter than it was"));
        next_ = place + line.size() + 1;
        InputRecord record = parse(line, path_);
        row.item = std::move(record.item);
        row.is_text = record.item_is_text;
        row.extra.clear();
        row.values = std::move(record.embedding);
    }

  private:
    struct Place {
        std::uint64_t at;
        std::string item;
        bool is_text;
    };

    static InputRecord parse(std::string_view line, const std::string& where) {
        Result<InputRecord> record = parse_record(line);
        if (!record)
            fail(record.error().code(), concat(where, ": ", record.error().what()));
        if (record.value().kind != InputRecord::Kind::embedding || !record.value().has_item)
            fail(ErrorCode::bad_format, concat(where, ": no embedding of a path or text"));
        return std::move(record).value();
    }
    void take_header(const InputRecord& record, const std::string& where) {
        const auto dim = static_cast<std::int64_t>(record.embedding.size());
        if (count_++ == 0) {
            header_.model = record.model;
            header_.dim = dim;
            layer_ = record.layer;
        } else if (record.model != header_.model || dim != header_.dim) {
            fail(ErrorCode::version_mismatch,
                 concat(where, ": model ", record.model, " with ", dim,
                        " values (the lines before: ", header_.model, " with ", header_.dim, ")"));
        } else if (record.layer != layer_) {
            fail(ErrorCode::version_mismatch,
                 concat(where, ": another layer than that of the lines before"));
        }
    }

    std::string path_;
    EmbeddingHeader header_;
    std::string layer_; // of all lines; empty: the projected one
    int fd_ = -1;
    std::uint64_t count_ = 0;
    std::vector<Place> places_;
    std::unique_ptr<LineReader> lines_;
    std::uint64_t next_ = 0;
};

} // namespace

std::unique_ptr<FinishedRows> open_finished_rows(const std::string& path, EmbeddingFormat format,
                                                 const EmbeddingHeader& ours) {
    if (format == EmbeddingFormat::h5)
        return std::make_unique<Hdf5Rows>(path);
    expect(format == EmbeddingFormat::jsonl, "resume: only h5 and jsonl hold items");
    return std::make_unique<JsonlRows>(path, ours);
}

} // namespace clip::io

// SPDX-License-Identifier: MIT
#include "io/embedding_file.hpp"

#include <cmath>

#include "base/concat.hpp"
#include "io/atomic_file.hpp"
#include "io/embedding_hdf5.hpp"
#include "io/embedding_jsonl.hpp"
#include "io/npy.hpp"
#include "io/path_escape.hpp"
#include "io/utf8.hpp"

namespace clip::io {

namespace {

/// Checks a row, and rounds it to the stored type, so that every format holds the same numbers.
void prepare_row(EmbeddingRow& row, const EmbeddingHeader& header) {
    check_embedding_row(row, header);
    if (header.store == DType::f16)
        for (float& value : row.values)
            value = static_cast<float>(Half(value));
}

/// Where the bytes go: a file under a temporary name, or a stream.
class Target {
  public:
    explicit Target(const std::string& path)
        : file_(std::make_unique<AtomicFile>(path)), name_(path) {}
    explicit Target(OutputStream& stream) : stream_(&stream), name_(stream.name()) {}

    const std::string& name() const { return name_; }
    /// The file that can be written in any order; null for a stream.
    const AtomicFile* random_access() const {
        return file_ && !file_->is_stream() ? file_.get() : nullptr;
    }
    OutputStream& stream() {
        if (!stream_) {
            own_stream_ = std::make_unique<OutputStream>(file_->fd(), name_);
            stream_ = own_stream_.get();
        }
        return *stream_;
    }
    void commit() {
        if (stream_)
            stream_->flush();
        if (file_)
            file_->commit();
    }

  private:
    std::unique_ptr<AtomicFile> file_;
    std::unique_ptr<OutputStream> own_stream_;
    OutputStream* stream_ = nullptr;
    std::string name_;
};

class JsonlWriter : public EmbeddingWriter {
  public:
    JsonlWriter(Target target, const EmbeddingHeader& header)
        : target_(std::move(target)), header_(header), layer_(other_layer(header.settings)) {}
    void append(const EmbeddingRow& row) override {
        row_ = row;
        prepare_row(row_, header_);
        line_.clear();
        append_embedding_line(line_, row_, header_.model, layer_);
        target_.stream().write(line_);
    }
    void flush() override { target_.stream().flush(); }
    void finish() override { target_.commit(); }

  private:
    Target target_;
    EmbeddingHeader header_;
    std::string layer_;
    EmbeddingRow row_;
    std::string line_;
};

class Hdf5Writer : public EmbeddingWriter {
  public:
    Hdf5Writer(Target target, const EmbeddingHeader& header)
        : target_(std::move(target)), header_(header),
          file_(target_.random_access() ? target_.random_access()->temporary_path() : "",
                target_.name(), header) {}
    void append(const EmbeddingRow& row) override {
        row_ = row;
        prepare_row(row_, header_);
        file_.append(row_);
    }
    void finish() override {
        file_.close(target_.random_access() ? nullptr : &target_.stream());
        target_.commit();
    }

  private:
    Target target_;
    EmbeddingHeader header_;
    EmbeddingHdf5 file_; // closed before its target goes
    EmbeddingRow row_;
};

/// N stands in front, and is known at the end: a file is patched, for a stream all rows are kept.
class NpyWriter : public EmbeddingWriter {
  public:
    NpyWriter(Target target, const EmbeddingHeader& header)
        : target_(std::move(target)), header_(header) {}
    void append(const EmbeddingRow& row) override {
        row_ = row;
        prepare_row(row_, header_);
        const std::size_t start = block_.size();
        block_.resize(start + row_.values.size() * dtype_size(header_.store));
        convert_from_f32(block_.data() + start, header_.store, row_.values.data(),
                         row_.values.size());
        ++rows_;
        if (target_.random_access() && block_.size() >= kBlockBytes) {
            write_at(block_, offset_);
            offset_ += static_cast<long long>(block_.size());
            block_.clear();
        }
    }
    void finish() override {
        const std::string header =
            npy_header(header_.store, Shape{rows_, header_.dim}, kHeaderBytes);
        if (target_.random_access()) {
            write_at(block_, offset_);
            write_at(header, 0);
        } else {
            target_.stream().write(header);
            target_.stream().write(block_);
        }
        target_.commit();
    }

  private:
    static constexpr std::size_t kBlockBytes = std::size_t{1} << 20;
    static constexpr std::size_t kHeaderBytes = 128; // room for any N

    void write_at(std::string_view bytes, long long offset) {
        write_all(target_.random_access()->fd(), bytes, target_.name(), offset);
    }

    Target target_;
    EmbeddingHeader header_;
    EmbeddingRow row_;
    std::string block_;
    std::int64_t rows_ = 0;
    long long offset_ = kHeaderBytes;
};

std::unique_ptr<EmbeddingWriter> create(Target target, EmbeddingFormat format,
                                        const EmbeddingHeader& header) {
    constexpr std::int64_t kMaxDim = std::int64_t{1} << 20;
    if (header.dim < 1 || header.dim > kMaxDim)
        fail(ErrorCode::invalid_argument,
             concat("write ", target.name(), ": ", header.dim, " values a row"));
    if (header.store != DType::f32 && header.store != DType::f16)
        fail(ErrorCode::invalid_argument,
             concat("write ", target.name(), ": embeddings cannot be stored as ",
                    dtype_name(header.store), " (want f32 or f16)"));
    switch (format) {
    case EmbeddingFormat::jsonl:
        return std::make_unique<JsonlWriter>(std::move(target), header);
    case EmbeddingFormat::h5:
        return std::make_unique<Hdf5Writer>(std::move(target), header);
    case EmbeddingFormat::npy:
        return std::make_unique<NpyWriter>(std::move(target), header);
    }
    fail(ErrorCode::internal, "write embeddings: unknown format");
}

} // namespace

void check_embedding_row(const EmbeddingRow& row, const EmbeddingHeader& header) {
    if (static_cast<std::int64_t>(row.values.size()) != header.dim)
        fail(ErrorCode::shape_mismatch,
             concat("write embedding of ", path_to_utf8(row.item), ": ", row.values.size(),
                    " values (want ", header.dim, ")"));
    constexpr float kHalfLimit = 65520; // from here on float16 rounds to infinity
    for (const float value : row.values)
        if (!std::isfinite(value) || (header.store == DType::f16 && std::abs(value) >= kHalfLimit))
            fail(ErrorCode::invalid_argument,
                 concat("write embedding of ", path_to_utf8(row.item), ": the value ", value,
                        " is not finite in ", dtype_name(header.store)));
    if (row.item.find('\0') != std::string::npos || (row.is_text && !is_valid_utf8(row.item)))
        fail(ErrorCode::bad_format, concat("write embedding of ", path_to_utf8(row.item),
                                           ": the item is not UTF-8 without NUL"));
}

bool embedding_format_of(std::string_view path, EmbeddingFormat& format) {
    for (const std::string_view end : {".jsonl", ".json", ".ndjson"})
        if (path.ends_with(end))
            return format = EmbeddingFormat::jsonl, true;
    for (const std::string_view end : {".h5", ".hdf5"})
        if (path.ends_with(end))
            return format = EmbeddingFormat::h5, true;
    if (path.ends_with(".npy"))
        return format = EmbeddingFormat::npy, true;
    return false;
}

std::string other_layer(std::string_view settings) {
    constexpr std::string_view kKey = "layer=";
    while (!settings.empty()) {
        const std::size_t end = std::min(settings.find(' '), settings.size());
        std::string_view word = settings.substr(0, end);
        settings.remove_prefix(std::min(end + 1, settings.size()));
        if (!word.starts_with(kKey))
            continue;
        word.remove_prefix(kKey.size());
        return word == "projected" ? "" : std::string(word);
    }
    return {};
}

std::unique_ptr<EmbeddingWriter> create_embedding_file(const std::string& path,
                                                       EmbeddingFormat format,
                                                       const EmbeddingHeader& header) {
    return create(Target(path), format, header);
}

std::unique_ptr<EmbeddingWriter> create_embedding_stream(OutputStream& out, EmbeddingFormat format,
                                                         const EmbeddingHeader& header) {
    return create(Target(out), format, header);
}

} // namespace clip::io

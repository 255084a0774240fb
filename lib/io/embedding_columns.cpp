// SPDX-License-Identifier: MIT
#include "io/embedding_columns.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/hdf5/global_heap.hpp"
#include "io/hdf5/group.hpp"
#include "io/hdf5/object_header.hpp"
#include "io/hdf5/superblock.hpp"
#include "io/utf8.hpp"

namespace clip::io {

namespace {

using hdf5::Datatype;

constexpr std::uint64_t kMaxDim = std::uint64_t{1} << 20;
constexpr std::uint64_t kMaxRows = std::uint64_t{1} << 42;
constexpr std::size_t kMaxStringBytes = std::size_t{256} << 20; // of one read
constexpr std::size_t kMaxFixedBytes = kMaxStringBytes / 1024;

enum class Element : std::uint8_t { number, kind, string };

void check_element(const Datatype& type, Element want, const std::string& what) {
    switch (want) {
    case Element::number:
        if (type.kind != Datatype::Kind::real || type.size > 4)
            fail(ErrorCode::bad_format,
                 concat(what, ": its element type is neither float32 nor float16"));
        return;
    case Element::kind:
        if (type.kind != Datatype::Kind::integer || type.size != 1)
            fail(ErrorCode::bad_format, concat(what, ": its element type is not uint8"));
        return;
    case Element::string:
        if (type.kind != Datatype::Kind::variable_string &&
            (type.kind != Datatype::Kind::fixed_string || type.size > kMaxFixedBytes))
            fail(ErrorCode::bad_format, concat(what, ": its element type is not a string"));
        return;
    }
}

hdf5::Dataset open_column(const hdf5::ByteSource& file,
                          const std::map<std::string, hdf5::Link>& links, const std::string& name,
                          const char* dataset, std::size_t rank, Element want) {
    const std::string what = concat(name, ": /", dataset);
    const auto link = links.find(dataset);
    if (link == links.end())
        fail(ErrorCode::bad_format,
             concat(name, ": not an embedding file: the dataset /", dataset, " is missing"));
    if (link->second.kind == hdf5::Link::Kind::outside)
        fail(ErrorCode::bad_format, concat(what, ": its data is in another file"));
    if (link->second.kind == hdf5::Link::Kind::soft)
        fail(ErrorCode::unsupported, concat(what, ": a soft link, not a dataset"));
    hdf5::Dataset out(file, link->second.address, what);
    if (out.space().sizes.size() != rank)
        fail(ErrorCode::bad_format,
             concat(what, ": its rank is ", out.space().sizes.size(), " (want ", rank, ")"));
    if (out.rows() > kMaxRows)
        fail(ErrorCode::bad_format, concat(what, ": ", out.rows(), " rows are too many"));
    if (out.columns() < 1 || out.columns() > kMaxDim)
        fail(ErrorCode::bad_format,
             concat(what, ": ", out.columns(), " values a row (want 1 to ", kMaxDim, ")"));
    check_element(out.type(), want, what);
    out.locate();
    return out;
}

/// The attributes of the root group.
class Attributes {
  public:
    Attributes(const hdf5::ByteSource& file, const std::vector<hdf5::Message>& messages,
               const std::string& name)
        : file_(file), messages_(messages), name_(name) {}

    std::string text(const char* attribute) const {
        const hdf5::Attribute found = get(attribute);
        std::string out;
        if (found.type.kind == Datatype::Kind::fixed_string)
            out = hdf5::fixed_string_of(found.type, found.value);
        else if (found.type.kind == Datatype::Kind::variable_string)
            out = hdf5::GlobalHeap(file_).read(found.value, what(attribute));
        else
            fail(ErrorCode::bad_format, concat(what(attribute), ": not a string"));
        out.resize(std::min(out.find('\0'), out.size()));
        if (!is_valid_utf8(out))
            fail(ErrorCode::bad_format, concat(what(attribute), ": not UTF-8"));
        return out;
    }
    std::string text_or_none(const char* attribute) const {
        hdf5::Attribute found;
        const bool there = hdf5::find_attribute(messages_, attribute, what(attribute), found);
        return there ? text(attribute) : std::string();
    }
    std::int64_t integer(const char* attribute) const {
        const hdf5::Attribute found = get(attribute);
        return hdf5::integer_of(found.type, found.value, what(attribute));
    }
    double real(const char* attribute) const {
        const hdf5::Attribute found = get(attribute);
        return hdf5::real_of(found.type, found.value, what(attribute));
    }

  private:
    std::string what(const char* attribute) const {
        return concat(name_, ": attribute ", attribute);
    }
    hdf5::Attribute get(const char* attribute) const {
        hdf5::Attribute out;
        if (!hdf5::find_attribute(messages_, attribute, what(attribute), out))
            fail(ErrorCode::bad_format, concat(name_, ": not an embedding file: the attribute ",
                                               attribute, " is missing"));
        return out;
    }

    const hdf5::ByteSource& file_;
    const std::vector<hdf5::Message>& messages_;
    const std::string& name_;
};

EmbeddingHeader read_header(const Attributes& attributes, const std::string& name) {
    EmbeddingHeader out;
    const std::string format = attributes.text("format");
    if (format != "clip-embeddings")
        fail(ErrorCode::bad_format,
             concat(name, ": not an embedding file: the attribute format is \"", format,
                    "\" (want \"clip-embeddings\")"));
    const std::int64_t version = attributes.integer("version");
    if (version != kEmbeddingFileVersion)
        fail(ErrorCode::version_mismatch,
             concat(name, ": version ", version, " of the embedding file format (this build knows ",
                    kEmbeddingFileVersion, ")"));
    out.model = attributes.text("model");
    out.normalized = attributes.integer("normalized") != 0;
    out.logit_scale = attributes.real("logit_scale");
    if (!std::isfinite(out.logit_scale))
        fail(ErrorCode::bad_format, concat(name, ": attribute logit_scale: not finite"));
    out.tool = attributes.text_or_none("tool");
    out.settings = attributes.text_or_none("settings");
    return out;
}

/// Turns what is stored of one row after another into strings.
class StringTaker {
  public:
    StringTaker(const hdf5::ByteSource& file, const hdf5::Dataset& column)
        : heap_(file), column_(column), what_(column.what() + ": row "), stem_(what_.size()) {}

    std::string take(std::string_view stored, std::uint64_t row) {
        char digits[20];
        what_.resize(stem_);
        what_.append(digits, std::to_chars(digits, digits + sizeof digits, row).ptr);
        std::string out = column_.type().kind == Datatype::Kind::variable_string
                              ? heap_.read(stored, what_)
                              : hdf5::fixed_string_of(column_.type(), stored);
        out.resize(std::min(out.find('\0'), out.size()));
        if ((bytes_ += out.size()) > kMaxStringBytes)
            fail(ErrorCode::bad_format,
                 concat(what_, ": strings of more than ", kMaxStringBytes >> 20, " MiB at once"));
        if (!is_valid_utf8(out))
            fail(ErrorCode::bad_format, concat(what_, ": not UTF-8"));
        return out;
    }

  private:
    hdf5::GlobalHeap heap_;
    const hdf5::Dataset& column_;
    std::string what_; // "photos.h5: /item: row 7"
    std::size_t stem_;
    std::size_t bytes_ = 0;
};

} // namespace

EmbeddingColumns open_embedding_columns(const std::string& path) {
    EmbeddingColumns out;
    out.name = path == "-" ? "standard input" : path;
    out.file = hdf5::ByteSource::open(path, out.name);
    const std::uint64_t root = hdf5::open_superblock(*out.file, out.name);
    const std::vector<hdf5::Message> messages = hdf5::read_object_header(*out.file, root, out.name);
    out.header = read_header(Attributes(*out.file, messages, out.name), out.name);
    const auto links = hdf5::read_links(*out.file, messages, out.name);
    const auto open = [&](const char* dataset, std::size_t rank, Element want) {
        return open_column(*out.file, links, out.name, dataset, rank, want);
    };
    out.embedding = open("embedding", 2, Element::number);
    out.item = open("item", 1, Element::string);
    out.kind = open("kind", 1, Element::kind);
    if (links.contains("extra"))
        out.extra = open("extra", 1, Element::string);
    for (const std::optional<hdf5::Dataset>* column : {&out.item, &out.kind, &out.extra})
        if (*column && (*column)->rows() != out.embedding->rows())
            fail(ErrorCode::bad_format,
                 concat((*column)->what(), ": ", (*column)->rows(), " rows (want ",
                        out.embedding->rows(), ", as /embedding has)"));
    out.header.store = out.embedding->type().size == 2 ? DType::f16 : DType::f32;
    out.header.dim = static_cast<std::int64_t>(out.embedding->columns());
    return out;
}

std::vector<std::string> read_strings(const hdf5::ByteSource& file, const hdf5::Dataset& column,
                                      std::uint64_t first, std::uint64_t count) {
    const std::size_t size = column.type().size;
    std::string stored(static_cast<std::size_t>(count) * size, '\0');
    column.read(first, count, stored.data());
    StringTaker taker(file, column);
    std::vector<std::string> out;
    out.reserve(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < count; ++i)
        out.push_back(taker.take(std::string_view(stored).substr(i * size, size), first + i));
    return out;
}

std::vector<std::string> read_strings_at(const hdf5::ByteSource& file, const hdf5::Dataset& column,
                                         std::span<const std::int64_t> rows) {
    std::string stored(column.type().size, '\0');
    StringTaker taker(file, column);
    std::vector<std::string> out;
    out.reserve(rows.size());
    for (const std::int64_t row : rows) {
        column.read(static_cast<std::uint64_t>(row), 1, stored.data());
        out.push_back(taker.take(stored, static_cast<std::uint64_t>(row)));
    }
    return out;
}

} // namespace clip::io

// SPDX-License-Identifier: MIT
#include "io/embedding_reader.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/concat.hpp"
#include "io/hdf5_handle.hpp"
#include "io/hdf5_image.hpp"
#include "io/input_record.hpp"
#include "io/path_escape.hpp"
#include "io/plain_rows.hpp"
#include "io/utf8.hpp"

namespace clip::io {

namespace {

constexpr std::int64_t kMaxDim = std::int64_t{1} << 20;
constexpr hsize_t kMaxChunkBytes = hsize_t{1} << 28; // HDF5 allocates a chunk before reading it
constexpr std::int64_t kItemBlock = 1024;            // strings in memory at a time
constexpr std::size_t kMaxStringBytes = std::size_t{256} << 20; // of one such block

enum class Element : std::uint8_t { number, kind, string };

/// HDF5 allocates strings of lengths that the file names; this is what it may use.
struct StringBudget {
    std::size_t left = kMaxStringBytes;
};

void* allocate_string(std::size_t size, void* info) {
    auto* budget = static_cast<StringBudget*>(info);
    if (size > budget->left)
        return nullptr;
    budget->left -= size;
    return std::malloc(size);
}

void free_string(void* memory, void* /*info*/) {
    std::free(memory);
}

/// A dataset that was checked: rank, rows, columns, type and storage.
struct Column {
    Hdf5Handle dataset;
    std::string what; // "photos.h5: /embedding"
    hsize_t rows = 0;
    hsize_t columns = 0; // 0: rank 1
    hid_t id() const { return dataset.get(); }
};

/// As many elements must be stored as are declared: a file of 2 KiB may declare 2^60 rows.
void check_storage(const Column& column, hid_t type, int rank) {
    if (column.rows == 0)
        return;
    const Hdf5Handle properties(H5Dget_create_plist(column.id()), H5Pclose);
    const hsize_t element = H5Tget_size(type);
    const hsize_t width = std::max<hsize_t>(column.columns, 1);
    bool complete = false;
    const H5D_layout_t layout = H5Pget_layout(properties.get());
    if (layout == H5D_CHUNKED) {
        std::array<hsize_t, 2> chunk = {1, 1};
        if (H5Pget_chunk(properties.get(), rank, chunk.data()) != rank || chunk[0] == 0 ||
            chunk[1] == 0 || chunk[1] > kMaxChunkBytes || chunk[0] > kMaxChunkBytes ||
            chunk[0] * chunk[1] > kMaxChunkBytes / element)
            fail(ErrorCode::bad_format, concat(column.what, ": its chunks are too large"));
        const Hdf5Handle space(H5Dget_space(column.id()), H5Sclose);
        hsize_t stored = 0;
        hdf5_check(H5Dget_num_chunks(column.id(), space.get(), &stored), ErrorCode::bad_format,
                   column.what);
        const auto pieces = [](hsize_t size, hsize_t piece) { return (size - 1) / piece + 1; };
        // Chunks along a row are at most 2^20, and rows fit 63 bits: divide, not multiply.
        complete = stored / pieces(width, chunk[1]) >= pieces(column.rows, chunk[0]);
    } else if (layout == H5D_VIRTUAL || H5Pget_external_count(properties.get()) != 0) {
        // Following these would read whatever file the sender of this one chose.
        fail(ErrorCode::bad_format, concat(column.what, ": its data is in another file"));
    } else {
        hsize_t file_size = 0;
        const Hdf5Handle file(H5Iget_file_id(column.id()), H5Fclose);
        hdf5_check(H5Fget_filesize(file.get(), &file_size), ErrorCode::bad_format, column.what);
        const hsize_t stored = std::min(H5Dget_storage_size(column.id()), file_size);
        complete = stored / width / element >= column.rows;
    }
    if (!complete)
        fail(ErrorCode::truncated,
             concat(column.what, ": declares ", column.rows, " rows but stores fewer"));
}

void check_element(const Column& column, hid_t type, Element want) {
    const H5T_class_t kind = H5Tget_class(type);
    const std::size_t size = H5Tget_size(type);
    switch (want) {
    case Element::number:
        if (kind != H5T_FLOAT || (size != 2 && size != 4))
            fail(ErrorCode::bad_format,
                 concat(column.what, ": its element type is neither float32 nor float16"));
        return;
    case Element::kind:
        if (kind != H5T_INTEGER || size != 1)
            fail(ErrorCode::bad_format, concat(column.what, ": its element type is not uint8"));
        return;
    case Element::string:
        if (kind != H5T_STRING || size == 0 || size > kMaxStringBytes / kItemBlock)
            fail(ErrorCode::bad_format, concat(column.what, ": its element type is not a string"));
        return;
    }
}

Column open_column(hid_t file, const std::string& name, const char* dataset, int rank,
                   Element want) {
    Column out;
    out.what = concat(name, ": /", dataset);
    if (H5Lexists(file, dataset, H5P_DEFAULT) <= 0)
        fail(ErrorCode::bad_format,
             concat(name, ": not an embedding file: the dataset /", dataset, " is missing"));
    H5L_info_t link{};
    if (H5Lget_info(file, dataset, &link, H5P_DEFAULT) < 0 || link.type == H5L_TYPE_EXTERNAL)
        fail(ErrorCode::bad_format, concat(out.what, ": its data is in another file"));
    out.dataset =
        hdf5_check(H5Dopen2(file, dataset, H5P_DEFAULT), H5Dclose, ErrorCode::bad_format, out.what);
    const Hdf5Handle space(H5Dget_space(out.id()), H5Sclose);
    if (H5Sget_simple_extent_ndims(space.get()) != rank)
        fail(ErrorCode::bad_format,
             concat(out.what, ": its rank is ", H5Sget_simple_extent_ndims(space.get()), " (want ",
                    rank, ")"));
    std::array<hsize_t, 2> extent = {0, 0};
    H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr);
    if (extent[0] > hsize_t{1} << 42)
        fail(ErrorCode::bad_format, concat(out.what, ": ", extent[0], " rows are too many"));
    if (rank == 2 && (extent[1] < 1 || extent[1] > static_cast<hsize_t>(kMaxDim)))
        fail(ErrorCode::bad_format,
             concat(out.what, ": ", extent[1], " values a row (want 1 to ", kMaxDim, ")"));
    out.rows = extent[0];
    out.columns = extent[1];
    const Hdf5Handle type(H5Dget_type(out.id()), H5Tclose);
    check_element(out, type.get(), want);
    check_storage(out, type.get(), rank);
    return out;
}

/// Reads `count` strings of any HDF5 kind (variable or fixed length) through `read`, which is given
/// the type in memory, the buffer, and the transfer properties.
template <typename Read>
std::vector<std::string> read_strings(hid_t file_type, hid_t space, std::size_t count,
                                      const std::string& what, const Read& read) {
    std::vector<std::string> out(count);
    StringBudget budget;
    const Hdf5Handle transfer(H5Pcreate(H5P_DATASET_XFER), H5Pclose);
    H5Pset_vlen_mem_manager(transfer.get(), allocate_string, &budget, free_string, &budget);
    if (H5Tis_variable_str(file_type) > 0) {
        const Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
        H5Tset_size(type.get(), H5T_VARIABLE);
        H5Tset_cset(type.get(), H5Tget_cset(file_type));
        std::vector<char*> texts(count, nullptr);
        const herr_t status = read(type.get(), texts.data(), transfer.get());
        for (std::size_t i = 0; i < count && status >= 0; ++i)
            out[i] = texts[i] == nullptr ? "" : texts[i];
        H5Dvlen_reclaim(type.get(), space, transfer.get(), texts.data());
        hdf5_check(status, ErrorCode::bad_format, what);
    } else {
        const std::size_t size = H5Tget_size(file_type);
        std::vector<char> texts(size * count);
        hdf5_check(read(file_type, texts.data(), transfer.get()), ErrorCode::bad_format, what);
        for (std::size_t i = 0; i < count; ++i) {
            std::size_t length = strnlen(texts.data() + i * size, size);
            if (H5Tget_strpad(file_type) == H5T_STR_SPACEPAD)
                while (length > 0 && texts[i * size + length - 1] == ' ')
                    --length;
            out[i].assign(texts.data() + i * size, length);
        }
    }
    for (const std::string& text : out)
        if (!is_valid_utf8(text))
            fail(ErrorCode::bad_format, concat(what, ": a string is not UTF-8"));
    return out;
}

Hdf5Handle open_attribute(hid_t file, const std::string& name, const char* attribute) {
    if (H5Aexists(file, attribute) <= 0)
        fail(ErrorCode::bad_format,
             concat(name, ": not an embedding file: the attribute ", attribute, " is missing"));
    const std::string what = concat(name, ": attribute ", attribute);
    Hdf5Handle out =
        hdf5_check(H5Aopen(file, attribute, H5P_DEFAULT), H5Aclose, ErrorCode::bad_format, what);
    const Hdf5Handle space(H5Aget_space(out.get()), H5Sclose);
    if (H5Sget_simple_extent_npoints(space.get()) != 1)
        fail(ErrorCode::bad_format, concat(what, ": not a single value"));
    return out;
}

std::string text_attribute(hid_t file, const std::string& name, const char* attribute) {
    const Hdf5Handle id = open_attribute(file, name, attribute);
    const std::string what = concat(name, ": attribute ", attribute);
    const Hdf5Handle type(H5Aget_type(id.get()), H5Tclose);
    if (H5Tget_class(type.get()) != H5T_STRING || H5Tget_size(type.get()) > kMaxStringBytes)
        fail(ErrorCode::bad_format, concat(what, ": not a string"));
    const Hdf5Handle space(H5Aget_space(id.get()), H5Sclose);
    return read_strings(type.get(), space.get(), 1, what,
                        [&](hid_t memory_type, void* to, hid_t /*transfer*/) {
                            return H5Aread(id.get(), memory_type, to);
                        })
        .front();
}

template <typename Number>
Number number_attribute(hid_t file, const std::string& name, const char* attribute,
                        hid_t memory_type) {
    const Hdf5Handle id = open_attribute(file, name, attribute);
    const std::string what = concat(name, ": attribute ", attribute);
    const Hdf5Handle type(H5Aget_type(id.get()), H5Tclose);
    const H5T_class_t kind = H5Tget_class(type.get());
    // h5py writes a Python bool as an enumeration of int8, which is as good a 0 or 1.
    const Hdf5Handle base(kind == H5T_ENUM ? H5Tget_super(type.get()) : -1, H5Tclose);
    if (kind != H5T_INTEGER && kind != H5T_FLOAT && kind != H5T_ENUM)
        fail(ErrorCode::bad_format, concat(what, ": not a number"));
    Number out{};
    if (kind == H5T_ENUM) {
        std::int8_t value = 0;
        if (H5Tget_size(type.get()) != 1)
            fail(ErrorCode::bad_format, concat(what, ": not a number"));
        hdf5_check(H5Aread(id.get(), type.get(), &value), ErrorCode::bad_format, what);
        out = static_cast<Number>(value);
    } else {
        hdf5_check(H5Aread(id.get(), memory_type, &out), ErrorCode::bad_format, what);
    }
    return out;
}

EmbeddingHeader read_header(hid_t file, const std::string& name) {
    EmbeddingHeader out;
    const std::string format = text_attribute(file, name, "format");
    if (format != "clip-embeddings")
        fail(ErrorCode::bad_format,
             concat(name, ": not an embedding file: the attribute format is \"", format,
                    "\" (want \"clip-embeddings\")"));
    const auto version = number_attribute<std::int64_t>(file, name, "version", H5T_NATIVE_INT64);
    if (version != kEmbeddingFileVersion)
        fail(ErrorCode::version_mismatch,
             concat(name, ": version ", version, " of the embedding file format (this build knows ",
                    kEmbeddingFileVersion, ")"));
    out.model = text_attribute(file, name, "model");
    out.normalized =
        number_attribute<std::int64_t>(file, name, "normalized", H5T_NATIVE_INT64) != 0;
    out.logit_scale = number_attribute<double>(file, name, "logit_scale", H5T_NATIVE_DOUBLE);
    if (!std::isfinite(out.logit_scale))
        fail(ErrorCode::bad_format, concat(name, ": attribute logit_scale: not finite"));
    if (H5Aexists(file, "tool") > 0)
        out.tool = text_attribute(file, name, "tool");
    if (H5Aexists(file, "settings") > 0)
        out.settings = text_attribute(file, name, "settings");
    return out;
}

Hdf5Handle open_file(const std::string& path, const std::string& name) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_errno(name, errno);
    struct stat info {};
    const int stated = ::fstat(fd, &info);
    ::close(fd);
    if (stated != 0)
        fail_errno(name, errno);
    if (S_ISDIR(info.st_mode))
        fail_errno(name, EISDIR);
    if (H5Fis_hdf5(path.c_str()) <= 0)
        fail(ErrorCode::bad_format, concat(name, ": not an HDF5 file"));
    return hdf5_check(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose,
                      ErrorCode::bad_format, concat(name, ": not readable as an HDF5 file"));
}

/// Standard input is opened in place where it is a regular file at its start; else it is read to
/// its end, into `image`.
Hdf5Handle open_standard_input(const std::string& name, Hdf5Image& image) {
    struct stat info {};
    if (::fstat(STDIN_FILENO, &info) == 0 && S_ISREG(info.st_mode) &&
        ::lseek(STDIN_FILENO, 0, SEEK_CUR) == 0 && ::access("/dev/stdin", R_OK) == 0)
        return open_file("/dev/stdin", name);
    image.fill_from(STDIN_FILENO, name);
    return image.open(name);
}

/// Rows of a chunk, or of about a mebibyte.
std::int64_t rows_at_once(const Column& column) {
    constexpr hsize_t kBlockBytes = hsize_t{1} << 20;
    const Hdf5Handle properties(H5Dget_create_plist(column.id()), H5Pclose);
    std::array<hsize_t, 2> chunk = {0, 0};
    if (H5Pget_layout(properties.get()) == H5D_CHUNKED &&
        H5Pget_chunk(properties.get(), 2, chunk.data()) == 2)
        return static_cast<std::int64_t>(chunk[0]);
    return static_cast<std::int64_t>(
        std::max<hsize_t>(1, kBlockBytes / (column.columns * sizeof(float))));
}

bool all_finite(const float* values, std::size_t count) {
    constexpr std::uint32_t kExponent = 0x7f800000;
    std::uint32_t worst = 0; // no early way out, so that the loop is vectorised
    for (std::size_t i = 0; i < count; ++i)
        worst = std::max(worst, std::bit_cast<std::uint32_t>(values[i]) & kExponent);
    return worst < kExponent;
}

bool is_pipe(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
}

/// A named pipe, or a shell's <(command), is read to its end, into `image`.
Hdf5Handle open_pipe(const std::string& path, const std::string& name, Hdf5Image& image) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_errno(name, errno);
    try {
        image.fill_from(fd, name);
    } catch (...) {
        ::close(fd);
        throw;
    }
    ::close(fd);
    return image.open(name);
}

} // namespace

struct EmbeddingReader::State {
    std::string name;
    Hdf5Image image; // of a pipe; outlives `file`
    Hdf5Handle file;
    EmbeddingHeader header;
    Column embedding, item, kind;
    std::optional<Column> extra;
    Hdf5Handle half_type;
    std::unique_ptr<const PlainRows> plain; // null: through HDF5
    std::int64_t block_rows = 1;

    void check_range(std::int64_t first, std::int64_t count) const;
    /// The spaces in file and memory of rows [first, first + count).
    std::pair<Hdf5Handle, Hdf5Handle> select(const Column& column, std::int64_t first,
                                             std::int64_t count) const;
    void read(const Column& column, std::int64_t first, std::int64_t count, hid_t memory_type,
              void* out) const;
    std::vector<std::string> read_texts(const Column& column, std::int64_t first,
                                        std::int64_t count) const;
    std::vector<Item> read_block(std::int64_t first, std::int64_t count) const;
};

void EmbeddingReader::State::check_range(std::int64_t first, std::int64_t count) const {
    const auto rows = static_cast<std::int64_t>(embedding.rows);
    if (first < 0 || count < 0 || first > rows || count > rows - first)
        fail(ErrorCode::invalid_argument, concat(name, ": rows ", first, " to ", first + count,
                                                 " of ", rows, " were asked for"));
}

std::pair<Hdf5Handle, Hdf5Handle>
EmbeddingReader::State::select(const Column& column, std::int64_t first, std::int64_t count) const {
    const std::array<hsize_t, 2> start = {static_cast<hsize_t>(first), 0},
                                 block = {static_cast<hsize_t>(count), column.columns};
    const int rank = column.columns == 0 ? 1 : 2;
    Hdf5Handle space(H5Dget_space(column.id()), H5Sclose);
    Hdf5Handle memory(H5Screate_simple(rank, block.data(), nullptr), H5Sclose);
    hdf5_check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, block.data(),
                                   nullptr),
               ErrorCode::internal, column.what);
    return {std::move(space), std::move(memory)};
}

void EmbeddingReader::State::read(const Column& column, std::int64_t first, std::int64_t count,
                                  hid_t memory_type, void* out) const {
    const auto [space, memory] = select(column, first, count);
    hdf5_check(H5Dread(column.id(), memory_type, memory.get(), space.get(), H5P_DEFAULT, out),
               ErrorCode::bad_format, column.what);
}

std::vector<std::string> EmbeddingReader::State::read_texts(const Column& column,
                                                            std::int64_t first,
                                                            std::int64_t count) const {
    const auto selected = select(column, first, count);
    const hid_t space = selected.first.get();
    const hid_t memory = selected.second.get();
    const Hdf5Handle type(H5Dget_type(column.id()), H5Tclose);
    return read_strings(type.get(), memory, static_cast<std::size_t>(count), column.what,
                        [&](hid_t memory_type, void* to, hid_t transfer) {
                            return H5Dread(column.id(), memory_type, memory, space, transfer, to);
                        });
}

EmbeddingReader::EmbeddingReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
EmbeddingReader::EmbeddingReader(EmbeddingReader&&) noexcept = default;
EmbeddingReader& EmbeddingReader::operator=(EmbeddingReader&&) noexcept = default;
EmbeddingReader::~EmbeddingReader() {
    const Hdf5Lock lock;
    state_.reset();
}

EmbeddingReader EmbeddingReader::open(const std::string& path) {
    const Hdf5Lock lock;
    auto state = std::make_unique<State>();
    state->name = path == "-" ? "standard input" : path;
    const std::string& name = state->name;
    state->file = path == "-"     ? open_standard_input(name, state->image)
                  : is_pipe(path) ? open_pipe(path, name, state->image)
                                  : open_file(path, name);
    const hid_t file = state->file.get();
    state->header = read_header(file, name);
    state->embedding = open_column(file, name, "embedding", 2, Element::number);
    state->item = open_column(file, name, "item", 1, Element::string);
    state->kind = open_column(file, name, "kind", 1, Element::kind);
    if (H5Lexists(file, "extra", H5P_DEFAULT) > 0)
        state->extra = open_column(file, name, "extra", 1, Element::string);
    for (const Column* column :
         {&state->item, &state->kind, state->extra ? &*state->extra : nullptr})
        if (column != nullptr && column->rows != state->embedding.rows)
            fail(ErrorCode::bad_format, concat(column->what, ": ", column->rows, " rows (want ",
                                               state->embedding.rows, ", as /embedding has)"));
    const Hdf5Handle type(H5Dget_type(state->embedding.id()), H5Tclose);
    state->header.store = H5Tget_size(type.get()) == 2 ? DType::f16 : DType::f32;
    state->header.dim = static_cast<std::int64_t>(state->embedding.columns);
    state->half_type = hdf5_half_type();
    state->block_rows = rows_at_once(state->embedding);
    state->plain = PlainRows::find(file, state->embedding.id(), state->embedding.rows,
                                   state->embedding.columns, state->embedding.what);
    return EmbeddingReader(std::move(state));
}

const EmbeddingHeader& EmbeddingReader::header() const {
    return state_->header;
}
std::int64_t EmbeddingReader::rows() const {
    return static_cast<std::int64_t>(state_->embedding.rows);
}
bool EmbeddingReader::has_extra() const {
    return state_->extra.has_value();
}
const std::string& EmbeddingReader::name() const {
    return state_->name;
}

bool EmbeddingReader::reads_in_parallel() const {
    return state_->plain != nullptr;
}
std::int64_t EmbeddingReader::block_rows() const {
    return state_->block_rows;
}

void EmbeddingReader::read_rows_raw(std::int64_t first, std::int64_t count, void* out) const {
    state_->check_range(first, count);
    if (state_->plain) {
        state_->plain->read(static_cast<std::uint64_t>(first), static_cast<std::uint64_t>(count),
                            out);
        return;
    }
    const Hdf5Lock lock;
    if (count > 0)
        state_->read(
            state_->embedding, first, count,
            state_->header.store == DType::f16 ? state_->half_type.get() : H5T_NATIVE_FLOAT, out);
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
            fail(ErrorCode::bad_format, concat(state_->embedding.what, ": row ", first + row,
                                               " holds a value that is not finite"));
}

std::vector<EmbeddingReader::Item> EmbeddingReader::State::read_block(std::int64_t first,
                                                                      std::int64_t count) const {
    const std::vector<std::string> items = read_texts(item, first, count);
    std::vector<std::uint8_t> kinds(static_cast<std::size_t>(count));
    read(kind, first, count, H5T_NATIVE_UINT8, kinds.data());
    std::vector<std::string> extras;
    if (extra)
        extras = read_texts(*extra, first, count);
    std::vector<Item> out(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (kinds[i] > 1)
            fail(ErrorCode::bad_format,
                 concat(kind.what, ": row ", first + static_cast<std::int64_t>(i), " is ",
                        static_cast<int>(kinds[i]), " (want 0 or 1)"));
        out[i].is_text = kinds[i] == 1;
        out[i].item = out[i].is_text ? items[i] : path_from_utf8(items[i]);
        if (!extras.empty())
            out[i].extra = members_of_object(extras[i]);
    }
    return out;
}

std::vector<EmbeddingReader::Item> EmbeddingReader::read_items(std::int64_t first,
                                                               std::int64_t count) const {
    const Hdf5Lock lock;
    state_->check_range(first, count);
    std::vector<Item> out;
    out.reserve(static_cast<std::size_t>(count));
    for (std::int64_t done = 0; done < count; done += kItemBlock)
        for (Item& item : state_->read_block(first + done, std::min(kItemBlock, count - done)))
            out.push_back(std::move(item));
    return out;
}

std::vector<EmbeddingReader::Item>
EmbeddingReader::read_items_at(std::span<const std::int64_t> rows) const {
    const Hdf5Lock lock;
    std::vector<Item> out;
    out.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size();) {
        state_->check_range(rows[i], 1);
        std::size_t end = i + 1; // of a run of neighbours
        while (end < rows.size() && rows[end] == rows[end - 1] + 1 &&
               rows[end] < static_cast<std::int64_t>(state_->embedding.rows))
            ++end;
        if (i > 0 && rows[i] <= rows[i - 1])
            fail(ErrorCode::invalid_argument,
                 concat(state_->name, ": rows are asked for out of order (", rows[i], " after ",
                        rows[i - 1], ")"));
        for (Item& item : read_items(rows[i], static_cast<std::int64_t>(end - i)))
            out.push_back(std::move(item));
        i = end;
    }
    return out;
}

bool looks_like_hdf5(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
        return false;
    const Hdf5Lock lock;
    return H5Fis_hdf5(path.c_str()) > 0;
}

} // namespace clip::io

// SPDX-License-Identifier: MIT
#include "io/embedding_hdf5.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/concat.hpp"
#include "io/hdf5_handle.hpp"
#include "io/hdf5_image.hpp"
#include "io/path_escape.hpp"

namespace clip::io {

namespace {

constexpr hsize_t kChunkBytes = hsize_t{1} << 20;
constexpr hsize_t kItemChunkRows = 4096; // 64 KiB of references

void write_attribute(hid_t file, const char* name, hid_t file_type, hid_t memory_type,
                     const void* value, const std::string& what) {
    const Hdf5Handle scalar(H5Screate(H5S_SCALAR), H5Sclose);
    const Hdf5Handle attribute =
        hdf5_check(H5Acreate2(file, name, file_type, scalar.get(), H5P_DEFAULT, H5P_DEFAULT),
                   H5Aclose, ErrorCode::io_failure, what);
    hdf5_check(H5Awrite(attribute.get(), memory_type, value), ErrorCode::io_failure, what);
}

void write_text_attribute(hid_t file, const char* name, const std::string& value,
                          const std::string& what) {
    const Hdf5Handle type = hdf5_string_type();
    const char* text = value.c_str();
    write_attribute(file, name, type.get(), type.get(), &text, what);
}

Hdf5Handle create_file(const std::string& path, const std::string& what) {
    const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
#if H5_VERSION_GE(1, 10, 7)
    // AtomicFile holds a lock on this file; some network file systems know only one kind of them,
    // and HDF5 would take ours for that of another program.
    if (H5Pset_file_locking(access.get(), false, true) < 0)
        fail_hdf5(ErrorCode::internal, what);
#endif
    return hdf5_check(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose,
                      ErrorCode::io_failure, what);
}

} // namespace

struct EmbeddingHdf5::State {
    std::string what; // "write photos.h5"
    EmbeddingHeader header;
    Hdf5Image image; // where there is no path; outlives `file`
    Hdf5Handle file;
    Hdf5Handle embedding, item, kind, extra;
    Hdf5Handle half_type, string_type;
    hsize_t block_rows = 0; // rows of a chunk of /embedding, and rows written at a time
    hsize_t rows = 0;       // in the file
    std::vector<float> values;
    std::vector<std::string> items, extras;
    std::vector<std::uint8_t> kinds;
    bool block_has_extra = false;

    hid_t element_type() const {
        return header.store == DType::f16 ? half_type.get() : H5T_IEEE_F32LE;
    }
    Hdf5Handle create(const char* name, hid_t type, hsize_t columns, hsize_t chunk_rows) const;
    void extend_and_write(const Hdf5Handle& dataset, hsize_t columns, hid_t memory_type,
                          hsize_t first, hsize_t count, const void* data) const;
    void write_strings(const Hdf5Handle& dataset, const std::vector<std::string>& strings,
                       hsize_t first) const;
    void begin_extra();
    void write_block();
};

/// An empty dataset [0] or [0, columns] that grows by rows.
Hdf5Handle EmbeddingHdf5::State::create(const char* name, hid_t type, hsize_t columns,
                                        hsize_t chunk_rows) const {
    const int rank = columns == 0 ? 1 : 2;
    const std::array<hsize_t, 2> now = {0, columns}, most = {H5S_UNLIMITED, columns},
                                 chunk = {chunk_rows, columns};
    const Hdf5Handle space(H5Screate_simple(rank, now.data(), most.data()), H5Sclose);
    const Hdf5Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    // The same rows give the same bytes: no times, and no left-over memory in the last chunk.
    if (H5Pset_chunk(properties.get(), rank, chunk.data()) < 0 ||
        H5Pset_obj_track_times(properties.get(), false) < 0 ||
        H5Pset_fill_time(properties.get(), H5D_FILL_TIME_ALLOC) < 0)
        fail_hdf5(ErrorCode::internal, what);
    return hdf5_check(
        H5Dcreate2(file.get(), name, type, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
        H5Dclose, ErrorCode::io_failure, what);
}

void EmbeddingHdf5::State::extend_and_write(const Hdf5Handle& dataset, hsize_t columns,
                                            hid_t memory_type, hsize_t first, hsize_t count,
                                            const void* data) const {
    const int rank = columns == 0 ? 1 : 2;
    const std::array<hsize_t, 2> total = {first + count, columns}, start = {first, 0},
                                 block = {count, columns};
    hdf5_check(H5Dset_extent(dataset.get(), total.data()), ErrorCode::io_failure, what);
    const Hdf5Handle space(H5Dget_space(dataset.get()), H5Sclose);
    const Hdf5Handle memory(H5Screate_simple(rank, block.data(), nullptr), H5Sclose);
    hdf5_check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, block.data(),
                                   nullptr),
               ErrorCode::internal, what);
    hdf5_check(H5Dwrite(dataset.get(), memory_type, memory.get(), space.get(), H5P_DEFAULT, data),
               ErrorCode::io_failure, what);
}

void EmbeddingHdf5::State::write_strings(const Hdf5Handle& dataset,
                                         const std::vector<std::string>& strings,
                                         hsize_t first) const {
    std::vector<const char*> pointers;
    pointers.reserve(strings.size());
    for (const std::string& text : strings)
        pointers.push_back(text.c_str());
    extend_and_write(dataset, 0, string_type.get(), first, strings.size(), pointers.data());
}

/// /extra is made when the first row needs it; the rows before it carry nothing.
void EmbeddingHdf5::State::begin_extra() {
    extra = create("extra", string_type.get(), 0, kItemChunkRows);
    for (hsize_t first = 0; first < rows; first += kItemChunkRows)
        write_strings(extra,
                      std::vector<std::string>(
                          static_cast<std::size_t>(std::min(kItemChunkRows, rows - first)), "{}"),
                      first);
}

void EmbeddingHdf5::State::write_block() {
    const hsize_t count = items.size();
    if (count == 0)
        return;
    const auto columns = static_cast<hsize_t>(header.dim);
    if (block_has_extra && !extra)
        begin_extra();
    if (header.store == DType::f16) {
        std::vector<Half> halves(values.size());
        convert_from_f32(halves.data(), DType::f16, values.data(), values.size());
        extend_and_write(embedding, columns, half_type.get(), rows, count, halves.data());
    } else {
        extend_and_write(embedding, columns, H5T_NATIVE_FLOAT, rows, count, values.data());
    }
    write_strings(item, items, rows);
    extend_and_write(kind, 0, H5T_NATIVE_UINT8, rows, count, kinds.data());
    if (extra)
        write_strings(extra, extras, rows);
    rows += count;
    values.clear();
    items.clear();
    extras.clear();
    kinds.clear();
    block_has_extra = false;
}

EmbeddingHdf5::EmbeddingHdf5(const std::string& path, const std::string& name,
                             const EmbeddingHeader& header)
    : state_(std::make_unique<State>()) {
    const Hdf5Lock lock;
    State& state = *state_;
    state.what = "write " + name;
    state.header = header;
    state.file = path.empty() ? state.image.create(state.what) : create_file(path, state.what);
    state.half_type = hdf5_half_type();
    state.string_type = hdf5_string_type();
    const hid_t file = state.file.get();
    write_text_attribute(file, "format", "clip-embeddings", state.what);
    const int version = static_cast<int>(kEmbeddingFileVersion);
    write_attribute(file, "version", H5T_STD_I32LE, H5T_NATIVE_INT, &version, state.what);
    write_text_attribute(file, "model", header.model, state.what);
    const std::uint8_t normalized = header.normalized ? 1 : 0;
    write_attribute(file, "normalized", H5T_STD_U8LE, H5T_NATIVE_UINT8, &normalized, state.what);
    write_attribute(file, "logit_scale", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &header.logit_scale,
                    state.what);
    write_text_attribute(file, "tool", header.tool, state.what);
    if (!header.settings.empty())
        write_text_attribute(file, "settings", header.settings, state.what);

    const auto columns = static_cast<hsize_t>(header.dim);
    state.block_rows = std::max<hsize_t>(1, kChunkBytes / (columns * dtype_size(header.store)));
    state.embedding = state.create("embedding", state.element_type(), columns, state.block_rows);
    state.item = state.create("item", state.string_type.get(), 0, kItemChunkRows);
    state.kind = state.create("kind", H5T_STD_U8LE, 0, kItemChunkRows);
}

EmbeddingHdf5::~EmbeddingHdf5() {
    const Hdf5Lock lock;
    state_.reset();
}

void EmbeddingHdf5::append(const EmbeddingRow& row) {
    State& state = *state_;
    state.values.insert(state.values.end(), row.values.begin(), row.values.end());
    state.items.push_back(row.is_text ? row.item : path_to_utf8(row.item));
    state.kinds.push_back(row.is_text ? 1 : 0);
    state.extras.push_back(concat("{", row.extra, "}"));
    state.block_has_extra = state.block_has_extra || !row.extra.empty();
    if (state.items.size() == state.block_rows) {
        const Hdf5Lock lock;
        state.write_block();
    }
}

void EmbeddingHdf5::close(OutputStream* out) {
    const Hdf5Lock lock;
    State& state = *state_;
    state.write_block();
    bool closed = true;
    for (Hdf5Handle* dataset : {&state.embedding, &state.item, &state.kind, &state.extra})
        closed = dataset->reset() && closed;
    if (!closed)
        fail_hdf5(ErrorCode::io_failure, state.what);
    if (out != nullptr)
        out->write(state.image.close(state.file, state.what));
    else if (H5Fflush(state.file.get(), H5F_SCOPE_LOCAL) < 0 || !state.file.reset())
        fail_hdf5(ErrorCode::io_failure, state.what);
}

} // namespace clip::io

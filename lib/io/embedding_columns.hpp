// SPDX-License-Identifier: MIT
// What an HDF5 file must hold to be an embedding file, checked before any of it is used. Internal
// to io; layout: embedding_file.hpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/embedding_file.hpp"
#include "io/hdf5/dataset.hpp"

namespace clip::io {

/// An open embedding file.
struct EmbeddingColumns {
    std::string name; ///< what messages call it
    std::unique_ptr<hdf5::ByteSource> file;
    EmbeddingHeader header;
    std::optional<hdf5::Dataset> embedding, item, kind, extra; ///< all but `extra` are there
};

/// Opens `path`; "-" is standard input. Types, ranks and sizes are checked, that all columns have
/// as many rows, and that these are stored. Errors: those of EmbeddingReader::open().
EmbeddingColumns open_embedding_columns(const std::string& path);

/// Strings of rows [first, first + count) of a column of strings, each without what follows a NUL.
/// Many threads may call it.
/// Errors: bad_format (not UTF-8; more than 256 MiB; a heap that is not one), truncated,
/// io_failure.
std::vector<std::string> read_strings(const hdf5::ByteSource& file, const hdf5::Dataset& column,
                                      std::uint64_t first, std::uint64_t count);
/// The same of single rows, which are there.
std::vector<std::string> read_strings_at(const hdf5::ByteSource& file, const hdf5::Dataset& column,
                                         std::span<const std::int64_t> rows);

} // namespace clip::io

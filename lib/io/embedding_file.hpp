// SPDX-License-Identifier: MIT
// Embedding files: what is in them, and writing them in every format. Reading HDF5 is in
// embedding_reader.hpp; embedding JSON lines are read record by record (input_record.hpp).
//
//   /embedding   float32 or float16 [N, D], chunked by rows, extendable
//   /item        UTF-8 string [N]: the path (path_escape.hpp) or the text
//   /kind        uint8 [N]: 0 picture, 1 text
//   /extra       UTF-8 string [N], only where a row carries keys: a JSON object, {} for none
//   root attributes: format, version, model, normalized, logit_scale, tool, settings
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.hpp"
#include "io/output_stream.hpp"

namespace clip::io {

inline constexpr std::int64_t kEmbeddingFileVersion = 1;

/// What holds for every row of a file.
struct EmbeddingHeader {
    std::string model;        ///< architecture@digest
    bool normalized = true;   ///< whether rows have length 1
    double logit_scale = 0;   ///< the multiplier of cosines, e.g. 100.0
    std::int64_t dim = 0;     ///< D
    DType store = DType::f32; ///< f32 or f16
    std::string tool;         ///< program and version that wrote it
    std::string settings;     ///< how inputs were prepared; rows of other settings never mix
};

/// What settings say of the layer that vectors are of, where that is another than the projected
/// one, in whose space pictures and texts meet; else empty.
std::string other_layer(std::string_view settings);

struct EmbeddingRow {
    std::string item; ///< a path's raw bytes or a text in UTF-8; holds no NUL
    bool is_text = false;
    std::string extra;         ///< carried members, as InputRecord::extra
    std::vector<float> values; ///< (D)
};

enum class EmbeddingFormat : std::uint8_t { jsonl, h5, npy };

/// The format that a file name ends in: .jsonl/.json/.ndjson, .h5/.hdf5, .npy. False for others.
bool embedding_format_of(std::string_view path, EmbeddingFormat& format);

/// What every row must be to be written.
/// Errors: shape_mismatch (not D values), invalid_argument (a value that is not finite as stored),
/// bad_format (an item with NUL, a text that is not UTF-8).
void check_embedding_row(const EmbeddingRow& row, const EmbeddingHeader& header);

/// Writes rows in the order in which they come.
///
/// The bytes of the result depend on the rows only, not on how append() was called. f16: values are
/// rounded to nearest even, in JSON lines too.
/// Errors of append() and finish(): as check_embedding_row(); ClosedPipe, io_failure.
class EmbeddingWriter {
  public:
    EmbeddingWriter() = default;
    virtual ~EmbeddingWriter() = default; ///< without finish(), nothing is left behind
    EmbeddingWriter(const EmbeddingWriter&) = delete;
    EmbeddingWriter& operator=(const EmbeddingWriter&) = delete;

    virtual void append(const EmbeddingRow& row) = 0;
    /// JSON lines to a stream: hands on what was appended. Other formats ignore it.
    virtual void flush() {}
    /// Completes the file; under its name it appears here, whole.
    virtual void finish() = 0;
};

/// A writer to `path`, through AtomicFile. .npy holds the vectors only, no items.
/// Errors: invalid_argument (dim < 1, a dtype other than f32 and f16), not_found, io_failure.
std::unique_ptr<EmbeddingWriter> create_embedding_file(const std::string& path,
                                                       EmbeddingFormat format,
                                                       const EmbeddingHeader& header);

/// A writer to a stream that stays the caller's, flushed by finish(). JSON lines go out as they
/// come; h5 and npy are held in memory until finish(), because they are not written in order.
std::unique_ptr<EmbeddingWriter> create_embedding_stream(OutputStream& out, EmbeddingFormat format,
                                                         const EmbeddingHeader& header);

} // namespace clip::io

// SPDX-License-Identifier: MIT
// Vectors as text for PostgreSQL's COPY, the last column as pgvector reads it:
//
//   id (bigint, from 1), path (text), text (text), extra (jsonb), embedding (vector)
//
// Columns are separated by tabs, \N is null, and a backslash escapes what COPY would take for
// something else. Source: PostgreSQL 15 documentation, COPY, "Text Format"; pgvector's README.
#pragma once

#include <memory>
#include <string>

#include "io/atomic_file.hpp"
#include "io/engine_writer.hpp"
#include "io/output_stream.hpp"

namespace clip::io {

/// Appends `text` as the content of a column.
void append_copy_text(std::string& out, std::string_view text);

/// What a jsonb column refuses in these members, although it is JSON: U+0000 and halves of
/// surrogate pairs, which are written as \u escapes. Empty for none. (Numbers beyond `numeric`,
/// 131072 digits, are not looked for.)
std::string_view jsonb_obstacle(std::string_view members);

class PgvectorWriter : public EngineWriter {
  public:
    /// `path` "-" is standard output. A path that is not UTF-8 is written as path_to_utf8() does;
    /// values in the fewest digits that read back as the same float32.
    /// Errors: those of AtomicFile.
    explicit PgvectorWriter(const std::string& path);

    /// Errors besides: bad_format (a text with NUL, extra members as jsonb_obstacle()).
    void add(const EngineRow& row) override;
    std::uint64_t rows() const override { return rows_; }
    void commit() override;

  private:
    std::unique_ptr<AtomicFile> file_;
    std::unique_ptr<OutputStream> out_;
    std::uint64_t rows_ = 0;
    std::size_t dim_ = 0;
    std::string line_;
};

} // namespace clip::io

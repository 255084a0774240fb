// SPDX-License-Identifier: MIT
// FILE of an earlier run, as a place to take rows from. Internal to io.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "io/embedding_file.hpp"

namespace clip::io {

class FinishedRows {
  public:
    FinishedRows() = default;
    virtual ~FinishedRows() = default;
    FinishedRows(const FinishedRows&) = delete;
    FinishedRows& operator=(const FinishedRows&) = delete;

    virtual const EmbeddingHeader& header() const = 0;
    virtual std::uint64_t rows() const = 0;
    /// Calls `visit` with the place of each row. Errors: as the format's reader.
    virtual void visit(const std::function<void(std::uint64_t place, std::string_view item,
                                                bool is_text)>& visit) = 0;
    /// Reads a row; its `extra` is left empty, because that of the present input counts. Fast when
    /// places come in ascending order.
    virtual void read(std::uint64_t place, EmbeddingRow& row) = 0;
};

/// Opens FILE as .h5 or .jsonl. JSON lines say little of how they were made: width and model are
/// read from them, whether rows are normalized or float16 is measured, settings are left
/// empty, and the rest is taken from `ours`.
/// Errors: bad_format, version_mismatch (rows of two models in one file), io_failure.
std::unique_ptr<FinishedRows> open_finished_rows(const std::string& path, EmbeddingFormat format,
                                                 const EmbeddingHeader& ours);

} // namespace clip::io

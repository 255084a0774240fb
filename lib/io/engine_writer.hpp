// SPDX-License-Identifier: MIT
// Unit vectors and what they are of, on their way to another search engine.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace clip::io {

struct EngineRow {
    std::string_view item; ///< a path's raw bytes, or a text in UTF-8
    bool has_item = true;
    bool is_text = false;
    std::string_view extra;        ///< carried members, as InputRecord::extra
    std::span<const float> values; ///< (E), finite
};

/// Writes rows in the order in which they come. Without commit(), nothing is left behind.
class EngineWriter {
  public:
    EngineWriter() = default;
    virtual ~EngineWriter() = default;
    EngineWriter(const EngineWriter&) = delete;
    EngineWriter& operator=(const EngineWriter&) = delete;

    /// Errors: bad_format (the engine cannot take this row; nothing of it is written, and others
    /// can follow), shape_mismatch (not as wide as the first one), io_failure, ClosedPipe.
    virtual void add(const EngineRow& row) = 0;
    /// Rows so far.
    virtual std::uint64_t rows() const = 0;
    /// The files appear under their names. Errors: io_failure, ClosedPipe.
    virtual void commit() = 0;
};

} // namespace clip::io

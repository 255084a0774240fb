// SPDX-License-Identifier: MIT
// Rows that a search goes through: of an embedding file, or in memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/dtype.hpp"
#include "io/embedding_reader.hpp"

namespace clip {

/// Rows of one width that several threads may read, in any order.
class RowSet {
  public:
    virtual ~RowSet() = default;
    virtual std::int64_t rows() const = 0;
    /// E, elements of a row.
    virtual std::int64_t width() const = 0;
    /// f32 or f16.
    virtual DType store() const = 0;
    /// How many rows are best read at once, from a multiple of that number on.
    virtual std::int64_t block_rows() const = 0;
    /// Rows [first, first + count) as they are stored. Errors: truncated, bad_format, io_failure.
    virtual void read(std::int64_t first, std::int64_t count, void* to) const = 0;

  protected:
    RowSet() = default;
    RowSet(const RowSet&) = default;
    RowSet& operator=(const RowSet&) = default;
};

/// The rows of an embedding file, which must outlive this.
class FileRows : public RowSet {
  public:
    explicit FileRows(const io::EmbeddingReader& file) : file_(file) {}
    std::int64_t rows() const override { return file_.rows(); }
    std::int64_t width() const override { return file_.header().dim; }
    DType store() const override { return file_.header().store; }
    std::int64_t block_rows() const override;
    void read(std::int64_t first, std::int64_t count, void* to) const override;

  private:
    const io::EmbeddingReader& file_;
};

/// Float32 rows in memory, which must outlive this.
class MemoryRows : public RowSet {
  public:
    MemoryRows(std::span<const float> values, std::int64_t width)
        : values_(values), width_(width) {}
    std::int64_t rows() const override {
        return static_cast<std::int64_t>(values_.size()) / width_;
    }
    std::int64_t width() const override { return width_; }
    DType store() const override { return DType::f32; }
    std::int64_t block_rows() const override;
    void read(std::int64_t first, std::int64_t count, void* to) const override;

  private:
    std::span<const float> values_;
    std::int64_t width_;
};

} // namespace clip

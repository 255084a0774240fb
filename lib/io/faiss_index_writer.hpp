// SPDX-License-Identifier: MIT
// A Faiss index that holds vectors as they are and compares by inner product, and beside it what
// the vectors are of.
//
// Layout of an IndexFlatIP, little-endian and without padding (Source: the bytes that Faiss 1.7.3
// writes; 1.15 writes the same):
//
//    0  "IxFI"
//    4  int32   E
//    8  int64   N
//   16  int64   1 << 20, twice; Faiss ignores them
//   32  uint8   1: trained
//   33  int32   0: inner product
//   37  uint64  N * E
//   45  float32 [N, E]
#pragma once

#include <string>

#include "io/atomic_file.hpp"
#include "io/engine_writer.hpp"
#include "io/output_stream.hpp"

namespace clip::io {

/// Where the items of the index at `path` are.
std::string faiss_items_path(const std::string& path);

class FaissIndexWriter : public EngineWriter {
  public:
    /// The index is written to `path`, items as JSON lines in the order of ids to
    /// faiss_items_path(): `{"path":...}` or `{"text":...}` with the carried members, `{}` for a
    /// vector without a name.
    /// Errors: invalid_argument (a stream: N is in front of the rows, and comes last), and those of
    /// AtomicFile.
    explicit FaissIndexWriter(const std::string& path);

    void add(const EngineRow& row) override;
    std::uint64_t rows() const override { return rows_; }
    /// Errors besides: bad_format (there is no row, so that E is not known).
    void commit() override;

  private:
    AtomicFile index_, items_;
    OutputStream index_out_, items_out_;
    std::uint64_t rows_ = 0;
    std::size_t dim_ = 0;
    std::string line_;
};

} // namespace clip::io

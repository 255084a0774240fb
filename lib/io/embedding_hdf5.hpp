// SPDX-License-Identifier: MIT
// Writing the HDF5 form of an embedding file. Internal to io.
#pragma once

#include <memory>
#include <string>

#include "io/embedding_file.hpp"

namespace clip::io {

/// Blocks of rows into an HDF5 file.
class EmbeddingHdf5 {
  public:
    /// The file at `path` is created or cut to nothing; an empty path is a file in memory.
    /// `name` is what messages call the file. Errors: io_failure.
    EmbeddingHdf5(const std::string& path, const std::string& name, const EmbeddingHeader& header);
    ~EmbeddingHdf5();
    /// Values are already checked by the caller. Errors: io_failure.
    void append(const EmbeddingRow& row);
    /// Completes the file; one in memory goes to `out`. Errors: ClosedPipe, io_failure.
    void close(OutputStream* out);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace clip::io

// SPDX-License-Identifier: MIT
// Inputs of every kind as rows of one space.
#pragma once

#include <vector>

#include "app/embedding_space.hpp"
#include "app/failure_log.hpp"
#include "app/input_source.hpp"
#include "app/lazy_model.hpp"
#include "app/reporter.hpp"

namespace clip::app {

class InputVectors {
  public:
    /// All arguments must outlive this.
    InputVectors(EmbeddingSpace& space, LazyModel& model, FailureLog& failures, Reporter& reporter)
        : space_(space), model_(model), failures_(failures), reporter_(reporter) {}

    /// Encodes pictures and texts, and takes embeddings as they are. Inputs that fail go to the
    /// failure log; the others are left in `batch`, in order, and `vectors` gets their rows.
    /// Errors: version_mismatch (an input of another model or layer), and those of opening the
    /// model.
    void gather(std::vector<Input>& batch, std::vector<float>& vectors);
    /// Opens the model, whose vectors must be of the space: it is what its scale is taken from
    /// where no file says it. Errors: as gather().
    void meet_model();

  private:
    void check_given(Input& input);

    EmbeddingSpace& space_;
    LazyModel& model_;
    FailureLog& failures_;
    Reporter& reporter_;
    bool met_model_ = false, warned_ = false;
    std::vector<Encoded> encoded_;
};

} // namespace clip::app

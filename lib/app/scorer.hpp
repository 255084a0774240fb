// SPDX-License-Identifier: MIT
// Batches of inputs against a classifier: pictures and texts are encoded, embeddings taken as they
// are, and what cannot be scored is named.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "app/embedding_settings.hpp"
#include "app/failure_log.hpp"
#include "app/input_source.hpp"
#include "app/lazy_model.hpp"
#include "app/reporter.hpp"
#include "model/zero_shot.hpp"

namespace clip::app {

class Scorer {
  public:
    /// `scale` is what cosines are multiplied by: 1, or the classifier's logit_scale. All
    /// references must outlive this.
    Scorer(const Classifier& classifier, double scale, LazyModel& model, FailureLog& failures,
           Reporter& reporter);

    /// Scores `batch`, in order; inputs that fail go to the failure log. Returns what ends the run,
    /// where an input does (it is of another model or layer); what comes before it is scored.
    std::optional<Error> score(std::vector<Input>& batch);

    /// What the last call scored; points into its batch.
    std::span<const Input* const> inputs() const { return scored_; }
    /// Their scores: (inputs, classes), the caller's to change.
    std::span<float> scores() { return matrix_; }
    std::span<float> scores(std::size_t input) {
        return scores().subspan(input * classifier_.labels.size(), classifier_.labels.size());
    }

    /// Inputs that are best scored together.
    /// `open_model`: whether the model is open anyway, because labels were encoded.
    std::size_t batch_size(bool open_model);

  private:
    void check_model();
    void check_given(Input& input);

    const Classifier& classifier_;
    float scale_;
    LazyModel& model_;
    FailureLog& failures_;
    Reporter& reporter_;
    EmbeddingSettings settings_;
    bool warned_ = false;
    std::vector<Encoded> encoded_;
    std::vector<const Input*> scored_;
    std::vector<float> vectors_, matrix_;
};

} // namespace clip::app

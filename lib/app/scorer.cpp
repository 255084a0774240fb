// SPDX-License-Identifier: MIT
#include "app/scorer.hpp"

#include <algorithm>
#include <utility>

#include "app/classifier_file.hpp"
#include "app/classifier_source.hpp"
#include "base/concat.hpp"
#include "ops/similarity.hpp"

namespace clip::app {

namespace {

// Embeddings that are scored together; pictures come in the encoder's batches.
constexpr std::size_t kEmbeddingsAtOnce = 256;

} // namespace

Scorer::Scorer(const Classifier& classifier, double scale, LazyModel& model, FailureLog& failures,
               Reporter& reporter)
    : classifier_(classifier), scale_(static_cast<float>(scale)), model_(model),
      failures_(failures), reporter_(reporter), settings_(ComparedSettings::computing, reporter) {
    settings_.meet("the classifier", classifier.settings);
}

std::size_t Scorer::batch_size(bool open_model) {
    return open_model ? model_.encoder().batch_size(false) : kEmbeddingsAtOnce;
}

std::optional<Error> Scorer::score(std::vector<Input>& batch) {
    std::optional<Error> end;
    std::vector<const Input*> to_encode;
    for (std::size_t i = 0; i < batch.size() && !end; ++i) {
        if (batch[i].error)
            continue;
        try {
            if (batch[i].embedding.empty()) {
                check_model();
                to_encode.push_back(&batch[i]);
            } else {
                check_given(batch[i]);
            }
        } catch (const Error& error) {
            end = error;
            batch.resize(i);
        }
    }
    if (!to_encode.empty())
        model_.encoder().encode(to_encode, encoded_);
    scored_.clear();
    vectors_.clear();
    std::size_t next = 0;
    for (Input& input : batch) {
        if (!input.error && input.embedding.empty()) {
            Encoded& encoded = encoded_[next++];
            input.error = std::move(encoded.error);
            input.embedding = std::move(encoded.values);
        }
        if (input.error) {
            failures_.add(input, *input.error);
            continue;
        }
        vectors_.insert(vectors_.end(), input.embedding.begin(), input.embedding.end());
        scored_.push_back(&input);
    }
    const auto rows = static_cast<std::int64_t>(scored_.size());
    const auto classes = static_cast<std::int64_t>(classifier_.labels.size());
    matrix_.resize(scored_.size() * classifier_.labels.size());
    if (rows > 0)
        ops::similarity(model_.machine().host_backend(),
                        {.a = {vectors_.data(), Shape{rows, classifier_.dim}},
                         .b = {classifier_.weights.data(), Shape{classes, classifier_.dim}},
                         .scale = scale_,
                         .y = {matrix_.data(), Shape{rows, classes}}});
    return end;
}

void Scorer::check_model() {
    if (const std::string id = model_.session().model().id(); id != classifier_.model)
        fail_models("the classifier", classifier_.model, "the model", id);
}

/// Embeddings of other models or layers end the run; a vector of another width is that input's
/// failure.
void Scorer::check_given(Input& input) {
    if (!input.model.empty() && input.model != classifier_.model)
        fail_models(input.name, input.model, "the classifier", classifier_.model);
    if (const std::string layer = other_layer(input.settings); !layer.empty())
        fail(ErrorCode::version_mismatch,
             concat("read embeddings ", input.file.empty() ? input.name : input.file,
                    ": they are of the layer ", layer, " (want projected)"));
    if (static_cast<std::int64_t>(input.embedding.size()) != classifier_.dim) {
        input.error.emplace(ErrorCode::shape_mismatch,
                            concat("the embedding has ", input.embedding.size(), " values (want ",
                                   classifier_.dim, ")"));
        return;
    }
    if (std::all_of(input.embedding.begin(), input.embedding.end(),
                    [](float value) { return value == 0; })) {
        input.error.emplace(ErrorCode::bad_format,
                            concat("the embedding is all zeros", place_of(input)));
        return;
    }
    if (input.model.empty() && !std::exchange(warned_, true))
        reporter_.warning(input.name,
                          concat("the embedding does not say of which model it is; taken for ",
                                 classifier_.model));
    if (!classifier_.settings.empty() && !input.file.empty())
        settings_.meet(input.file, input.settings);
    normalize_given(input.embedding.data(), classifier_.dim);
}

} // namespace clip::app

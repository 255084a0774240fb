// SPDX-License-Identifier: MIT
#include "app/input_vectors.hpp"

#include <algorithm>
#include <utility>

#include "base/concat.hpp"

namespace clip::app {

/// Another width is the failure of that input alone.
void InputVectors::check_given(Input& input) {
    try {
        space_.meet(input.file.empty() ? input.name : input.file, input.model, input.settings,
                    static_cast<std::int64_t>(input.embedding.size()));
    } catch (const Error& error) {
        if (error.code() != ErrorCode::shape_mismatch)
            throw;
        input.error = error;
        return;
    }
    if (input.model.empty() && !std::exchange(warned_, true))
        reporter_.warning(input.name, "the embedding does not say of which model it is; it is "
                                      "compared all the same");
    if (std::all_of(input.embedding.begin(), input.embedding.end(),
                    [](float value) { return value == 0; }))
        input.error.emplace(ErrorCode::bad_format,
                            "all values are zero, so that it has no direction");
}

void InputVectors::meet_model() {
    if (std::exchange(met_model_, true))
        return;
    ClipModel& model = model_.session().model();
    space_.meet("the model", model.id(), "", model.dim(Layer::projected, false));
    if (!space_.logit_scale())
        space_.set_logit_scale(model.logit_scale());
}

void InputVectors::gather(std::vector<Input>& batch, std::vector<float>& vectors) {
    std::vector<Input*> waiting;
    for (Input& input : batch) {
        if (input.error)
            continue;
        if (!input.embedding.empty()) {
            check_given(input);
            continue;
        }
        meet_model();
        waiting.push_back(&input);
    }
    for (std::size_t first = 0; first < waiting.size();) {
        Encoder& encoder = model_.encoder();
        // A run of one kind: a batch of pictures is much larger than one of texts.
        const bool is_text = waiting[first]->is_text;
        const std::size_t most = std::min(waiting.size() - first, encoder.batch_size(is_text));
        std::size_t count = 1;
        while (count < most && waiting[first + count]->is_text == is_text)
            ++count;
        const std::vector<const Input*> some(waiting.begin() + static_cast<std::ptrdiff_t>(first),
                                             waiting.begin() +
                                                 static_cast<std::ptrdiff_t>(first + count));
        encoder.encode(some, encoded_);
        for (std::size_t i = 0; i < count; ++i) {
            waiting[first + i]->error = std::move(encoded_[i].error);
            waiting[first + i]->embedding = std::move(encoded_[i].values);
        }
        first += count;
    }
    vectors.clear();
    for (const Input& input : batch) {
        if (input.error)
            failures_.add(input, *input.error);
        else
            vectors.insert(vectors.end(), input.embedding.begin(), input.embedding.end());
    }
    std::erase_if(batch, [](const Input& input) { return input.error.has_value(); });
}

} // namespace clip::app

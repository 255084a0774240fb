// SPDX-License-Identifier: MIT
#include "model/zero_shot.hpp"

#include <algorithm>

#include "base/concat.hpp"

namespace clip {

namespace {

// Prompts encoded before they are averaged: bounds memory for thousands of classes with 80
// templates.
constexpr std::size_t kPromptsAtOnce = 4096;

} // namespace

std::string fill_template(const std::string& prompt_template, const std::string& name) {
    static constexpr std::string_view kPlace = "{}";
    std::string out;
    std::size_t from = 0, at;
    while ((at = prompt_template.find(kPlace, from)) != std::string::npos) {
        out.append(prompt_template, from, at - from).append(name);
        from = at + kPlace.size();
    }
    if (from == 0)
        fail(ErrorCode::invalid_argument,
             concat("prompt template '", prompt_template, "': no {} for the class name"));
    return out.append(prompt_template, from);
}

Classifier build_classifier(ClipModel& model, const Tokenizer& tokenizer, Backend& backend,
                            std::span<const ClassNames> classes,
                            std::span<const std::string> templates, std::size_t* truncated) {
    if (classes.empty())
        fail(ErrorCode::invalid_argument, "build classifier: no classes");
    if (templates.empty())
        fail(ErrorCode::invalid_argument, "build classifier: no prompt templates");
    const std::int64_t dim = model.dim(Layer::projected, true);
    const auto width = static_cast<std::size_t>(dim);
    const auto context = static_cast<std::size_t>(model.config().text.context_length);

    Classifier out{.model = model.id(), .logit_scale = model.logit_scale(), .dim = dim};
    out.weights.assign(classes.size() * width, 0.0f);
    std::vector<TokenizedText> prompts;
    std::vector<std::size_t> prompt_class;
    std::vector<float> vectors;

    // Adds the encoded prompts up. A class may be spread over several calls.
    const auto flush = [&] {
        if (prompts.empty())
            return;
        vectors.resize(prompts.size() * width);
        model.encode_texts(prompts, vectors);
        normalize_rows(backend, vectors, dim);
        for (std::size_t p = 0; p < prompts.size(); ++p)
            for (std::size_t d = 0; d < width; ++d)
                out.weights[prompt_class[p] * width + d] += vectors[p * width + d];
        prompts.clear();
        prompt_class.clear();
    };
    std::vector<std::size_t> prompts_of(classes.size());
    for (std::size_t c = 0; c < classes.size(); ++c) {
        expect(!classes[c].names.empty(), "a class has a name");
        out.labels.push_back(classes[c].label);
        for (const std::string& name : classes[c].names)
            for (const std::string& prompt_template : templates) {
                prompts.push_back(
                    tokenizer.encode_for_model(fill_template(prompt_template, name), context));
                prompt_class.push_back(c);
                ++prompts_of[c];
                if (truncated != nullptr && prompts.back().truncated)
                    ++*truncated;
                if (prompts.size() == kPromptsAtOnce)
                    flush();
            }
    }
    flush();
    for (std::size_t c = 0; c < classes.size(); ++c)
        for (std::size_t d = 0; d < width; ++d)
            out.weights[c * width + d] /= static_cast<float>(prompts_of[c]);
    normalize_rows(backend, out.weights, dim);
    return out;
}

} // namespace clip

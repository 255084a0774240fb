// SPDX-License-Identifier: MIT
// Classifiers made of text: Radford et al. 2021, section 3.1.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/clip_model.hpp"

namespace clip {

/// One class: the label that is printed, and the names that stand for it in prompts.
struct ClassNames {
    std::string label;
    std::vector<std::string> names; ///< at least one; the label itself where nothing else is given
};

/// One unit vector a class.
struct Classifier {
    std::string model; ///< ClipModel::id of the model that made it
    double logit_scale = 100.0;
    std::vector<std::string> labels; ///< (C)
    std::vector<float> weights;      ///< (C, E), rows of length 1
    std::int64_t dim = 0;            ///< E
    std::string settings; ///< io::EmbeddingHeader's, of the file that it was read from; or empty
};

/// Puts `name` in place of every "{}" of a template. Errors: invalid_argument (no "{}" in it).
std::string fill_template(const std::string& prompt_template, const std::string& name);

/// Encodes every template with every name of a class, normalises each vector, averages them,
/// normalises again. Texts that were cut to the context length are counted in `truncated`.
/// Errors: invalid_argument (no classes, no templates, a template without "{}").
Classifier build_classifier(ClipModel& model, const Tokenizer& tokenizer, Backend& backend,
                            std::span<const ClassNames> classes,
                            std::span<const std::string> templates,
                            std::size_t* truncated = nullptr);

} // namespace clip

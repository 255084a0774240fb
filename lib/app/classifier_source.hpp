// SPDX-License-Identifier: MIT
// A classifier as a command line asks for it.
#pragma once

#include <string>
#include <vector>

#include "app/lazy_model.hpp"
#include "app/reporter.hpp"
#include "model/zero_shot.hpp"

namespace clip::app {

struct ClassifierSettings {
    std::vector<std::string> labels;    ///< each is its own name
    std::string label_file;             ///< labels with further names; may be empty
    std::vector<std::string> templates; ///< with "{}"; none here and in the file: kDefaultTemplate
    std::string template_file;
    std::string file; ///< an embedding file in place of all of the above
};

/// Encodes the labels, or reads the file; then the model is not opened.
/// Errors: invalid_argument (no labels, or labels and a file), those of gather_classes,
/// gather_templates, load_classifier, and of opening the model.
Classifier make_classifier(const ClassifierSettings& settings, LazyModel& model,
                           Reporter& reporter);

/// Throws version_mismatch: "compare embeddings of two models: WHAT is of THEIRS, WITH of OURS".
[[noreturn]] void fail_models(const std::string& what, const std::string& theirs,
                              const std::string& with, const std::string& ours);

} // namespace clip::app

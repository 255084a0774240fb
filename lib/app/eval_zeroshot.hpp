// SPDX-License-Identifier: MIT
// clip-eval zeroshot: how often a classifier made of words is right.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "app/classifier_source.hpp"
#include "app/encoder.hpp"
#include "app/environment.hpp"
#include "app/eval_report.hpp"
#include "app/model_session.hpp"
#include "app/reporter.hpp"

namespace clip::app {

struct EvalZeroshotOptions {
    std::vector<std::string> inputs; ///< operands; none: standard input
    bool null_separated = false;
    bool recursive = false;
    PictureSettings pictures;
    ClassifierSettings classes;
    std::string truth;    ///< "folder" or a file
    std::string positive; ///< the label that auc ranks by; empty: the second
    EvalSettings eval;
    std::string errors; ///< a file for JSON lines of what failed; may be empty
    ModelSettings model;
    std::size_t batch_size = 0; ///< 0: chosen
};

/// Runs the task: scores every input, and writes one JSON object. An input without a truth, or
/// whose truth is no label, failed: it is named, and counts in no figure.
///
/// Errors: invalid_argument (options; nothing that could be counted), those of opening the model,
/// the labels, the classifier and the truth, version_mismatch (embeddings of two models or of
/// another layer), io_failure (output).
EvalSummary eval_zeroshot(const EvalZeroshotOptions& options, const Environment& environment,
                          Reporter& reporter);

} // namespace clip::app

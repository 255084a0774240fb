// SPDX-License-Identifier: MIT
// clip-classify: pictures (or texts, or embeddings of either) in, the labels that fit best out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/classifier_source.hpp"
#include "app/encoder.hpp"
#include "app/environment.hpp"
#include "app/model_session.hpp"
#include "app/reporter.hpp"

namespace clip::app {

struct ClassifyOptions {
    std::vector<std::string> inputs; ///< operands; none: standard input
    bool null_separated = false;
    bool recursive = false;
    PictureSettings pictures;

    ClassifierSettings classes;
    std::string save_classifier; ///< where to write one; may be empty

    std::size_t top = 5;            ///< places in a record; at most the number of classes
    std::string scores = "softmax"; ///< softmax, cosine or logit
    std::optional<float> threshold; ///< below it the label is null
    std::string truth;              ///< "folder", a file, or empty
    std::string summary;            ///< a file for the summary as JSON; may be empty

    std::string output; ///< a file; empty or "-": standard output
    std::string format; ///< jsonl or tsv where the file's name does not say; empty: jsonl
    std::string errors; ///< a file for JSON lines of what failed; may be empty

    ModelSettings model;
    std::size_t batch_size = 0; ///< 0: chosen
};

struct ClassifySummary {
    std::uint64_t answered = 0;
    std::uint64_t failed = 0;
    bool interrupted = false;
};

/// Runs the command. The model is opened only where it is needed: not for embeddings with a
/// classifier file.
///
/// Errors: invalid_argument (options), those of opening the model, the labels and the classifier,
/// version_mismatch (embeddings, classifier and model that are not of one model: names both; or an
/// embedding of another layer than the projected one), io_failure (output), io::ClosedPipe. Where
/// an input ends the run, what comes before it is written out first; of a file it is kept as
/// FILE.part.
ClassifySummary classify(const ClassifyOptions& options, const Environment& environment,
                         Reporter& reporter);

} // namespace clip::app

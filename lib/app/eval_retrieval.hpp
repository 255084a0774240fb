// SPDX-License-Identifier: MIT
// clip-eval retrieval: are the right captions found for a picture, and the right pictures for a
// caption?
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "app/encoder.hpp"
#include "app/environment.hpp"
#include "app/eval_report.hpp"
#include "app/model_session.hpp"
#include "app/reporter.hpp"

namespace clip::app {

struct EvalRetrievalOptions {
    std::vector<std::string> inputs; ///< embedding files; none: the model encodes what pairs name
    std::string pairs;               ///< a file; empty: the key path of the captions' rows
    PictureSettings pictures;
    EvalSettings eval;
    std::string errors; ///< a file for JSON lines of what failed; may be empty
    ModelSettings model;
    std::size_t batch_size = 0; ///< 0: chosen
};

/// Runs the task and writes one JSON object. Only what pairs name takes part; a picture or caption
/// without a vector failed, is named, and is neither asked for nor found. Memory: the vectors of
/// both sides.
///
/// Errors: invalid_argument (options, no pair with both vectors), those of opening the model and
/// the pairs, version_mismatch (vectors of two models, or of another layer than the projected one),
/// interrupted, io_failure (output).
EvalSummary eval_retrieval(const EvalRetrievalOptions& options, const Environment& environment,
                           Reporter& reporter);

} // namespace clip::app

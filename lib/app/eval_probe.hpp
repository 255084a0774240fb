// SPDX-License-Identifier: MIT
// clip-eval probe: how well a linear classifier on a model's features does.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "app/eval_report.hpp"
#include "app/model_session.hpp"
#include "app/probe_data.hpp"
#include "app/reporter.hpp"

namespace clip::app {

struct EvalProbeOptions {
    ProbeFiles files;
    std::string positive;         ///< the label that auc ranks by; empty: the second
    std::optional<double> lambda; ///< without it, the paper's search
    std::size_t max_iterations = 1000;
    std::vector<std::string> shots; ///< examples a class, as numbers
    std::size_t repeats = 3;        ///< draws of each of them
    std::optional<double> zeroshot; ///< a level for the plot
    EvalSettings eval;
    std::string errors;  ///< a file for JSON lines of what failed; may be empty
    ModelSettings model; ///< only threads and device are used
};

/// Runs the task and writes one JSON object.
///
/// Lambda is chosen on the validation rows: those of --val, else a fifth of each class of the
/// training rows. The classifier is then fitted again on training and validation rows, and measured
/// on the test rows; without --test the one that was fitted on the training rows alone is measured
/// on the validation rows.
///
/// Errors: invalid_argument (options), unsupported (this build has no L-BFGS), those of
/// load_probe_data, interrupted, io_failure (output).
EvalSummary eval_probe(const EvalProbeOptions& options, Reporter& reporter);

} // namespace clip::app

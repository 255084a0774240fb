// SPDX-License-Identifier: MIT
// clip-eval plot: the curves of training runs.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "app/eval_report.hpp"
#include "app/reporter.hpp"

namespace clip::app {

struct EvalPlotOptions {
    std::vector<std::string> inputs; ///< logs, or folders of runs
    std::string x = "step";          ///< step, samples or time
    std::string logarithmic;         ///< x, y, xy or nothing
    std::size_t smooth = 0;          ///< steps that a mean is taken over; 0: chosen, 1: none
};

/// Draws the loss of each log (as it is, and smoothed), and what validation found, into one
/// picture. Returns how many lines were damaged.
/// Errors: invalid_argument (options), those of check_plot_path() and read_training_log().
EvalSummary eval_plot(const EvalPlotOptions& options, const std::string& output,
                      Reporter& reporter);

} // namespace clip::app

// SPDX-License-Identifier: MIT
// clip-train: pairs of pictures and captions in, a model out.
#pragma once

#include <cstdint>

#include "app/environment.hpp"
#include "app/reporter.hpp"
#include "app/train_options.hpp"

namespace clip::app {

struct TrainSummary {
    std::uint64_t failed = 0; ///< pairs that were skipped in this session, over all processes
    bool interrupted = false;
    bool nothing_done = false; ///< one of several processes failed at the start, and said so
};

/// Trains into the folder options.output, or with dry_run writes what that would take to standard
/// output. Under a launcher such as mpirun it is called in each process; the first one reports and
/// writes.
///
/// Errors: those of open_pairs(), start_model(), RunFolder and trainer::train(). Where there are
/// several processes, one that fails while the others train ends them.
TrainSummary run_training(const TrainOptions& options, const Environment& environment,
                          Reporter& reporter);

} // namespace clip::app

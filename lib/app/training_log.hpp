// SPDX-License-Identifier: MIT
// Reading log.jsonl of clip-train.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/reporter.hpp"

namespace clip::app {

/// A figure, and when it was taken.
struct LogPoint {
    double step = 0, samples = 0;
    double seconds = 0; ///< of training alone, from the rate that each step tells
    double value = 0;
};

struct TrainingLog {
    std::string path;
    std::vector<LogPoint> loss, validation_loss, validation_accuracy;
    std::uint64_t damaged = 0; ///< lines that were named and left out
};

/// Reads a log; "-" is standard input. Lines that say neither `loss` nor a figure of validation
/// (`val_loss`, `val_accuracy`) are passed over. A `val_accuracy` of null is none: validation did
/// not compare so many captions.
///
/// A line that is damaged (no JSON object, no step, a figure that is no finite number) is named to
/// the reporter.
/// Errors: not_found, io_failure, bad_format (no line of it tells a figure).
TrainingLog read_training_log(const std::string& path, Reporter& reporter);

} // namespace clip::app

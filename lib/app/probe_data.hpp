// SPDX-License-Identifier: MIT
// Features and their classes, as a linear probe wants them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/failure_log.hpp"
#include "app/reporter.hpp"
#include "search/logistic_regression.hpp"

namespace clip::app {

/// Which embedding files a probe is made of.
struct ProbeFiles {
    std::vector<std::string> train;
    std::vector<std::string> validation; ///< may be empty
    std::vector<std::string> test;       ///< may be empty
    std::string truth;                   ///< "folder" or a file
};

struct ProbeData {
    std::string model;
    std::string layer;               ///< "penultimate"; empty where the files do not say it
    std::size_t dim = 0;             ///< D
    std::vector<float> features;     ///< (N, D), as they are stored
    std::vector<std::string> labels; ///< (C), in the order of their bytes
    RowClasses classes;              ///< (N)
    std::vector<std::uint32_t> train, validation, test; ///< rows

    ConstView view() const {
        return {features.data(),
                Shape{static_cast<std::int64_t>(classes.rows()), static_cast<std::int64_t>(dim)}};
    }
};

/// Reads all files. The classes are those that occur in the training files. A row that cannot be
/// used failed (no truth, a class that is not trained, another width, all zeros, values that no
/// product in float32 can hold): it is named with its file and row, and the rest goes on.
///
/// With `several`, a row may have any number of classes.
/// Errors: what makes the figure that of another data set: a file that cannot be read or is cut
/// off (its own code); version_mismatch (features of two models or layers, or only some of length
/// 1: names both); invalid_argument (a file that holds no embeddings, no rows, one class only);
/// interrupted.
ProbeData load_probe_data(const ProbeFiles& files, bool several, FailureLog& failures,
                          Reporter& reporter);

} // namespace clip::app

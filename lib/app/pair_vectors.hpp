// SPDX-License-Identifier: MIT
// Vectors of the pictures and captions of a list of pairs, encoded or read from embedding files.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "app/failure_log.hpp"
#include "app/lazy_model.hpp"
#include "app/pair_list.hpp"
#include "app/reporter.hpp"

namespace clip::app {

/// The vectors of one side of a list of pairs, as they come.
struct VectorTable {
    std::vector<float> values;      ///< one row after the other
    std::vector<std::int64_t> rows; ///< of each name: its row; kMissing; kFailed (it was named)
    static constexpr std::int64_t kMissing = -1, kFailed = -2;
};

struct PairVectors {
    std::string model;
    std::size_t dim = 0;
    VectorTable pictures, captions;
};

/// Encodes all that `list` names. Errors: those of opening the model; interrupted.
PairVectors encode_pairs(const PairList& list, LazyModel& model, std::size_t batch_size,
                         FailureLog& failures, Reporter& reporter);

/// Reads vectors from `files`. With `own_pairs`, captions are put into `list` with the pictures
/// that their rows name in the key `path`; else rows that `list` does not name are passed over.
/// What is left without a vector failed. Errors: version_mismatch (vectors of two models, or of
/// another layer); interrupted.
PairVectors read_pair_vectors(PairList& list, bool own_pairs, const std::vector<std::string>& files,
                              FailureLog& failures, Reporter& reporter);

} // namespace clip::app

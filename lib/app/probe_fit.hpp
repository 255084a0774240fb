// SPDX-License-Identifier: MIT
// Fits of a linear probe on parts of its data, and what they are worth.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "app/probe_data.hpp"
#include "app/reporter.hpp"
#include "backend/backend.hpp"
#include "search/evaluation.hpp"

namespace clip::app {

/// A lambda that was looked at.
struct GridPoint {
    double lambda = 0;
    double value = 0; ///< of the metric, on the validation rows
    int iterations = 0;
    bool converged = false;
};

struct ChosenFit {
    double lambda = 0;
    FitResult fit;               ///< on the rows that were given
    std::vector<GridPoint> grid; ///< by lambda; empty where it was given
};

class ProbeFitter {
  public:
    /// `data` and the others must outlive this.
    ProbeFitter(const ProbeData& data, Metric metric, std::size_t positive, int max_iterations,
                Backend& backend, Reporter& reporter);

    /// Fits `train` with `lambda`, or with the one that does best on `validation`.
    /// Errors: interrupted; invalid_argument (the metric is not defined on `validation`).
    ChosenFit choose(std::span<const std::uint32_t> train,
                     std::span<const std::uint32_t> validation, std::optional<double> lambda);

    /// Fits `rows` with `lambda`, beginning at `start`.
    FitResult fit(std::span<const std::uint32_t> rows, double lambda,
                  const LinearClassifier& start);

    /// What `classifier` makes of `rows`.
    Evaluation evaluate(const LinearClassifier& classifier, std::span<const std::uint32_t> rows);

    /// Fits so far that did not converge.
    std::size_t unconverged() const { return unconverged_; }

  private:
    FitResult fit(const LogisticRegression& regression, double lambda,
                  const LinearClassifier* start);

    const ProbeData& data_;
    Metric metric_;
    std::size_t positive_;
    int max_iterations_;
    Backend& backend_;
    Reporter& reporter_;
    std::size_t unconverged_ = 0;
};

} // namespace clip::app

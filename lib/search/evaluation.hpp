// SPDX-License-Identifier: MIT
// A classifier's answers against the truth, row by row, and what they come to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/thread_pool.hpp"
#include "search/interval.hpp"
#include "search/metrics.hpp"

namespace clip {

/// A measured figure. `value` is NaN where nothing was measured, the interval where none is known.
struct Figure {
    double value = 0;
    Interval interval;
    std::string_view method; ///< "clopper-pearson" or "bootstrap-percentile"
};

/// What a metric says of one class.
struct ClassFigure {
    std::uint64_t n = 0; ///< rows of this class
    /// The share of them that is right; for map11 the average precision. NaN for n = 0.
    double value = 0;
};

class Evaluation {
  public:
    /// `positive` is the class whose scores auc ranks by.
    /// Errors: invalid_argument (no classes; auc of other than two, or `positive` is none of them).
    Evaluation(Metric metric, std::size_t classes, std::size_t positive = 1);

    /// One row: `scores` (C), finite, and its classes: exactly one, any number only for map11.
    /// Memory: 12 bytes a row; for map11 5 C bytes more.
    void add(std::span<const float> scores, std::span<const std::size_t> truths);

    std::uint64_t n() const { return rows_; }
    Metric metric() const { return metric_; }

    /// The metric with its interval: Clopper and Pearson's for accuracy, which is a proportion of
    /// independent rows; a bootstrap for the others. Rows are drawn within their class for
    /// mean-per-class and auc, whose classes have a size of their own, else from all.
    /// Errors: those of clopper_pearson and bootstrap.
    Figure figure(const BootstrapOptions& options, ThreadPool& pool) const;
    /// The metric alone.
    double value() const;

    /// (C).
    std::vector<ClassFigure> classes() const;
    /// How often each truth was answered with each class: (C, C), rows are truths. Empty for map11.
    std::vector<std::uint64_t> confusion() const;

  private:
    Metric metric_;
    std::size_t classes_, positive_;
    std::uint64_t rows_ = 0;
    std::vector<Outcome> outcomes_;
    std::vector<double> margins_;     // auc: how much the positive class is before the other
    std::vector<float> scores_;       // map11: (N, C)
    std::vector<std::uint8_t> is_of_; // map11: (N, C)
};

} // namespace clip

// SPDX-License-Identifier: MIT
// The figures that the paper reports for its data sets. All of them are computed in double, and all
// take how often each row counts, so that a bootstrap can resample them without copying.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "search/interval.hpp"

namespace clip {

/// Which figure a data set is reported with. Source: Radford et al. 2021, appendix A.1: mean per
/// class for Aircraft, Pets, Caltech101 and Flowers102, 11-point mAP for VOC2007, ROC AUC for
/// HatefulMemes, the mean of top-1 and top-5 for Kinetics700, accuracy elsewhere.
enum class Metric : std::uint8_t { accuracy, mean_per_class, map11, auc, top1_top5_mean };

/// Reads "accuracy", "mean-per-class", "map11", "auc" or "top1-top5-mean".
/// Errors: invalid_argument.
Metric parse_metric(std::string_view text);
std::string_view metric_name(Metric metric);

/// What a classifier made of one row.
struct Outcome {
    std::uint32_t truth = 0;
    std::uint32_t answer = 0; ///< the class of the highest score
    std::uint32_t rank = 0;   ///< classes before the true one; 0: it was the answer
};

/// Of equal scores the class that comes first is before the other. `scores` (C) are finite.
Outcome outcome_of(std::span<const float> scores, std::size_t truth);

/// How many rows were answered with their class.
std::uint64_t count_right(std::span<const Outcome> rows);

/// Figures over `rows` (N). `counts` (N), or empty: once each. NaN where no row counts.
double accuracy(std::span<const Outcome> rows, RowCounts counts = {});
/// The share that is right within each class, averaged over the classes that occur.
double mean_per_class(std::span<const Outcome> rows, std::size_t classes, RowCounts counts = {});
/// The mean of the shares whose class is the answer, and is among the first five.
double top1_top5_mean(std::span<const Outcome> rows, RowCounts counts = {});

/// The area under the ROC curve: the probability that a positive row scores higher than a negative
/// one; equal scores count one half.
class RocAuc {
  public:
    /// `scores` (N) are finite; `positive` (N) holds 0 or 1. Both are copied as far as needed.
    RocAuc(std::span<const double> scores, std::span<const std::uint8_t> positive);
    /// NaN where one of the two classes does not occur.
    double value(RowCounts counts = {}) const;

  private:
    std::vector<std::uint32_t> order_;   // rows by score, lowest first
    std::vector<std::uint8_t> positive_; // in that order
    std::vector<std::uint8_t> last_;     // whether the next score is another
};

/// The mean over classes of the average precision of VOC2007: the highest precision at a recall of
/// at least 0, 0.1, ... 1, averaged over these eleven. A row may be of several classes or of none.
///
/// Equal scores are one step of the ranking, so that the figure does not depend on the order of the
/// rows (the VOC development kit takes them one by one, as they come). Recalls are compared as
/// integers: 3 of 10 reaches 0.3.
/// Source: Everingham et al., The PASCAL Visual Object Classes challenge (IJCV 2010), section 4.2.
class Map11 {
  public:
    /// `scores` (N, C), finite; `truth` (N, C) holds 0 or 1. Memory: 5 bytes an element.
    Map11(std::size_t classes, std::span<const float> scores, std::span<const std::uint8_t> truth);
    /// NaN for a class without a row.
    double average_precision(std::size_t one_class, RowCounts counts = {}) const;
    /// The mean over the classes that have rows; NaN where none has.
    double value(RowCounts counts = {}) const;

  private:
    std::size_t rows_, classes_;
    std::vector<std::uint32_t> order_; // (C, N): rows by score, highest first
    std::vector<std::uint8_t> flags_;  // (C, N) in that order: kIsOfClass, kIsLast
};

} // namespace clip

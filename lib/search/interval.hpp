// SPDX-License-Identifier: MIT
// How far a measured figure may be from the true one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/thread_pool.hpp"

namespace clip {

struct Interval {
    double low = 0;
    double high = 1;
};

/// The paper's confidence.
inline constexpr double kConfidence = 0.995;

/// Errors: invalid_argument (not between 0 and 1, both excluded).
void check_confidence(double confidence);

/// The interval of Clopper and Pearson for a proportion: exact, from the binomial distribution.
/// [0, 1] for n = 0. Errors: invalid_argument (more successes than n, a confidence outside (0, 1)).
Interval clopper_pearson(std::uint64_t successes, std::uint64_t n, double confidence = kConfidence);

struct BootstrapOptions {
    double confidence = kConfidence;
    std::size_t resamples = 10000;
    std::uint64_t seed = 0;
};

/// How often each row counts in a resample: (N).
using RowCounts = std::span<const std::uint32_t>;

/// The percentile interval of a figure over samples drawn with replacement.
///
/// `strata` (N) says to which group each of N rows belongs, and rows are drawn within their group;
/// empty is one group of `rows`. `figure` is called from several threads with how often each row
/// was drawn; a NaN (a figure that this resample does not define) is left out. Which rows are drawn
/// depends on seed, resample and place only, never on threads.
/// Percentiles are interpolated linearly, as numpy.percentile does. With fewer than two rows, or
/// where no resample defines the figure, the interval is NaN to NaN.
/// Errors: invalid_argument (a confidence outside (0, 1), no resamples), and what `figure` throws.
Interval bootstrap(std::size_t rows, std::span<const std::uint32_t> strata,
                   const BootstrapOptions& options, ThreadPool& pool,
                   const std::function<double(RowCounts)>& figure);

/// The value below which a share of `sorted` lies, interpolated linearly. `sorted` is not empty.
double percentile(std::span<const double> sorted, double share);

} // namespace clip

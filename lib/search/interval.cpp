// SPDX-License-Identifier: MIT
#include "search/interval.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "search/incomplete_beta.hpp"

namespace clip {

namespace {

constexpr std::size_t kResamplesAtOnce = 16; // one task of a thread

/// The rows of each group, one group after the other.
struct Groups {
    std::vector<std::uint32_t> rows;
    std::vector<std::size_t> starts; // one more than groups
};

Groups groups_of(std::size_t rows, std::span<const std::uint32_t> strata) {
    Groups out;
    out.starts.assign(strata.empty() ? 2 : *std::max_element(strata.begin(), strata.end()) + 2, 0);
    const auto group = [&](std::size_t row) { return strata.empty() ? 0 : strata[row]; };
    for (std::size_t row = 0; row < rows; ++row)
        ++out.starts[group(row) + 1];
    for (std::size_t g = 1; g < out.starts.size(); ++g)
        out.starts[g] += out.starts[g - 1];
    std::vector<std::size_t> next(out.starts.begin(), out.starts.end() - 1);
    out.rows.resize(rows);
    for (std::size_t row = 0; row < rows; ++row)
        out.rows[next[group(row)]++] = static_cast<std::uint32_t>(row);
    return out;
}

void draw(const Groups& groups, RandomStream random, std::span<std::uint32_t> counts) {
    std::fill(counts.begin(), counts.end(), 0U);
    for (std::size_t g = 0; g + 1 < groups.starts.size(); ++g) {
        const std::size_t first = groups.starts[g];
        const auto size = static_cast<std::uint32_t>(groups.starts[g + 1] - first);
        for (std::uint32_t i = 0; i < size; ++i)
            ++counts[groups.rows[first + random.below(size)]];
    }
}

} // namespace

void check_confidence(double confidence) {
    if (!(confidence > 0 && confidence < 1))
        fail(ErrorCode::invalid_argument,
             concat("compute an interval: the confidence is ", confidence,
                    " (want a number between 0 and 1, such as 0.995)"));
}

Interval clopper_pearson(std::uint64_t successes, std::uint64_t n, double confidence) {
    check_confidence(confidence);
    if (successes > n)
        fail(ErrorCode::invalid_argument,
             concat("compute an interval: ", successes, " successes of ", n));
    const double tail = (1 - confidence) / 2;
    const auto hits = static_cast<double>(successes), misses = static_cast<double>(n - successes);
    Interval out;
    if (successes > 0)
        out.low = inverse_incomplete_beta(hits, misses + 1, tail);
    if (successes < n) // by symmetry, so that the tail's digits are kept
        out.high = 1 - inverse_incomplete_beta(misses, hits + 1, tail);
    return out;
}

double percentile(std::span<const double> sorted, double share) {
    const double place = share * static_cast<double>(sorted.size() - 1);
    const auto below = std::min(static_cast<std::size_t>(place), sorted.size() - 1);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

Interval bootstrap(std::size_t rows, std::span<const std::uint32_t> strata,
                   const BootstrapOptions& options, ThreadPool& pool,
                   const std::function<double(RowCounts)>& figure) {
    check_confidence(options.confidence);
    if (options.resamples == 0 || (!strata.empty() && strata.size() != rows))
        fail(ErrorCode::invalid_argument,
             "compute an interval: no resamples, or a group for some rows only");
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    if (rows < 2)
        return {kNone, kNone};
    const Groups groups = groups_of(rows, strata);
    std::vector<double> values(options.resamples);
    pool.parallel_for(values.size(), kResamplesAtOnce, [&](std::size_t begin, std::size_t end) {
        std::vector<std::uint32_t> counts(rows);
        for (std::size_t sample = begin; sample < end; ++sample) {
            draw(groups, RandomStream(options.seed, sample), counts);
            values[sample] = figure(counts);
        }
    });
    std::erase_if(values, [](double value) { return std::isnan(value); });
    if (values.empty())
        return {kNone, kNone};
    std::sort(values.begin(), values.end());
    const double tail = (1 - options.confidence) / 2;
    return {percentile(values, tail), percentile(values, 1 - tail)};
}

} // namespace clip

// SPDX-License-Identifier: MIT
#include "search/interval.hpp"

#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.hpp"

using namespace clip;

namespace {

double mean(std::span<const double> values, RowCounts counts) {
    double sum = 0;
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        sum += counts[i] * values[i];
        n += counts[i];
    }
    return sum / static_cast<double>(n);
}

} // namespace

TEST_CASE("bootstrap: a mean's interval is that of the normal distribution") {
    // 0 and 1 in turn: the mean of 400 has a standard deviation of 0.025.
    std::vector<double> values(400);
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<double>(i % 2);
    ThreadPool pool(2);
    const Interval got = bootstrap(values.size(), {}, {.confidence = 0.95}, pool,
                                   [&](RowCounts counts) { return mean(values, counts); });
    CHECK(std::abs(got.low - (0.5 - 1.96 * 0.025)) < 0.003);
    CHECK(std::abs(got.high - (0.5 + 1.96 * 0.025)) < 0.003);
    // Drawn within their groups, nothing is left to chance.
    std::vector<std::uint32_t> groups(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
        groups[i] = values[i] > 0 ? 1 : 0;
    const Interval within = bootstrap(values.size(), groups, {.confidence = 0.95}, pool,
                                      [&](RowCounts counts) { return mean(values, counts); });
    CHECK(within.low == 0.5);
    CHECK(within.high == 0.5);
}

TEST_CASE("bootstrap: the same whatever the threads, another for another seed") {
    std::vector<double> values(97);
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = std::sin(static_cast<double>(i));
    const auto figure = [&](RowCounts counts) { return mean(values, counts); };
    ThreadPool one(1), three(3);
    const BootstrapOptions options{.resamples = 333, .seed = 5};
    const Interval a = bootstrap(values.size(), {}, options, one, figure);
    const Interval b = bootstrap(values.size(), {}, options, three, figure);
    CHECK(a.low == b.low);
    CHECK(a.high == b.high);
    CHECK(a.low < a.high);
    const Interval c = bootstrap(values.size(), {}, {.resamples = 333, .seed = 6}, one, figure);
    CHECK(c.low != a.low);
}

TEST_CASE("interval: percentiles are numpy's, bad confidences are refused") {
    const std::vector<double> sorted{1, 2, 4, 8};
    CHECK(percentile(sorted, 0) == 1);
    CHECK(percentile(sorted, 0.5) == 3);
    CHECK(percentile(sorted, 0.9) == doctest::Approx(6.8));
    CHECK(percentile(sorted, 1) == 8);
    CHECK(clopper_pearson(0, 0).low == 0);
    CHECK(clopper_pearson(0, 0).high == 1);
    CHECK_THROWS_AS(clopper_pearson(2, 1), Error);
    CHECK_THROWS_AS(clopper_pearson(1, 2, 1), Error);
    CHECK_THROWS_AS(clopper_pearson(1, 2, std::nan("")), Error);
    ThreadPool pool(1);
    const auto undefined = [](RowCounts) { return std::nan(""); };
    CHECK(std::isnan(bootstrap(5, {}, {}, pool, undefined).low));
    CHECK(std::isnan(bootstrap(1, {}, {}, pool, [](RowCounts) { return 1.0; }).low));
}

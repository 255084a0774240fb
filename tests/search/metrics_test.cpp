// SPDX-License-Identifier: MIT
// Figures and intervals against scikit-learn, SciPy and mpmath (tests/golden/make_metrics.py).
#include "search/metrics.hpp"

#include <cmath>
#include <fstream>
#include <sstream>
#include <string>

#include <doctest/doctest.h>

#include "base/error.hpp"
#include "search/incomplete_beta.hpp"

using namespace clip;

namespace {

bool close(double got, double want, double relative) {
    return std::abs(got - want) <= relative * std::abs(want);
}

struct Data {
    std::size_t classes = 0;
    std::vector<float> scores;          // (N, C)
    std::vector<std::uint8_t> bits;     // (N, C)
    std::vector<std::uint8_t> is_first; // (N): truth is class 1
    std::vector<double> column;         // (N): score of class 1
    std::vector<Outcome> outcomes;      // (N)
};

void read_row(std::istream& in, Data& data) {
    std::size_t truth = 0;
    std::string bits;
    in >> truth >> bits;
    for (const char bit : bits)
        data.bits.push_back(bit == '1' ? 1 : 0);
    std::vector<float> row(data.classes);
    for (float& value : row)
        in >> value;
    data.outcomes.push_back(outcome_of(row, truth));
    data.is_first.push_back(truth == 1 ? 1 : 0);
    data.column.push_back(row[1]);
    data.scores.insert(data.scores.end(), row.begin(), row.end());
}

} // namespace

TEST_CASE("metrics: as scikit-learn, SciPy and mpmath have them") {
    std::ifstream golden(CLIP_TEST_DIR "/golden/metrics.txt");
    REQUIRE(golden.is_open());
    Data data;
    int checked = 0;
    for (std::string text; std::getline(golden, text);) {
        CAPTURE(text);
        std::istringstream in(text);
        std::string what;
        in >> what;
        double a = 0, b = 0, x = 0, want = 0;
        ++checked;
        if (what == "beta") {
            in >> a >> b >> x >> want;
            // At 1e8 the last digit of x alone moves the value by 1e-12 and more.
            CHECK(close(incomplete_beta(a, b, x), want, 1e-10 * std::sqrt(1 + (a + b) / 1e4)));
        } else if (what == "inverse") {
            in >> a >> b >> x >> want;
            CHECK(close(inverse_incomplete_beta(a, b, x), want, 1e-12));
        } else if (what == "clopper_pearson") {
            std::uint64_t k = 0, n = 0;
            double low = 0, high = 0;
            in >> k >> n >> a >> low >> high;
            // SciPy's root finder stops at 2e-12.
            const Interval got = clopper_pearson(k, n, a);
            CHECK(std::abs(got.low - low) < 1e-11);
            CHECK(std::abs(got.high - high) < 1e-11);
        } else if (what == "data") {
            std::size_t rows = 0;
            data = Data{};
            in >> rows >> data.classes;
        } else if (what == "row") {
            read_row(in, data);
        } else if (what == "average_precision") {
            const Map11 map(data.classes, data.scores, data.bits);
            for (std::size_t c = 0; in >> want; ++c)
                CHECK(close(map.average_precision(c), want, 1e-14));
        } else {
            in >> want;
            const double got =
                what == "accuracy"         ? accuracy(data.outcomes)
                : what == "mean_per_class" ? mean_per_class(data.outcomes, data.classes)
                : what == "top1_top5_mean" ? top1_top5_mean(data.outcomes)
                : what == "auc"            ? RocAuc(data.column, data.is_first).value()
                                           : Map11(data.classes, data.scores, data.bits).value();
            CHECK(close(got, want, 1e-14));
        }
    }
    CHECK(checked > 500);
}

TEST_CASE("metrics: counts stand for repeated rows") {
    const std::vector<float> scores{3, 1, 2, 2, 0, 5, 1, 1, 4, 4};
    const std::vector<std::size_t> truth{0, 1, 1, 0, 0};
    const std::vector<std::uint32_t> counts{2, 0, 1, 3, 1};
    const std::vector<std::uint8_t> bits{1, 0, 0, 1, 1, 1, 0, 0, 1, 0};
    std::vector<Outcome> rows, repeated;
    std::vector<double> column, repeated_column;
    std::vector<std::uint8_t> is, repeated_is, repeated_bits;
    std::vector<float> repeated_scores;
    for (std::size_t i = 0; i < truth.size(); ++i) {
        rows.push_back(outcome_of(std::span(scores).subspan(2 * i, 2), truth[i]));
        column.push_back(scores[2 * i + 1]);
        is.push_back(truth[i] == 1 ? 1 : 0);
        for (std::uint32_t k = 0; k < counts[i]; ++k) {
            repeated.push_back(rows.back());
            repeated_column.push_back(column.back());
            repeated_is.push_back(is.back());
            for (std::size_t c = 0; c < 2; ++c) {
                repeated_scores.push_back(scores[2 * i + c]);
                repeated_bits.push_back(bits[2 * i + c]);
            }
        }
    }
    CHECK(accuracy(rows, counts) == accuracy(repeated));
    CHECK(mean_per_class(rows, 2, counts) == mean_per_class(repeated, 2));
    CHECK(top1_top5_mean(rows, counts) == top1_top5_mean(repeated));
    CHECK(RocAuc(column, is).value(counts) == RocAuc(repeated_column, repeated_is).value());
    CHECK(Map11(2, scores, bits).value(counts) == Map11(2, repeated_scores, repeated_bits).value());
}

TEST_CASE("metrics: what is not defined is NaN, names are those of the contract") {
    const std::vector<double> scores{1, 2};
    CHECK(std::isnan(RocAuc(scores, std::vector<std::uint8_t>{1, 1}).value()));
    CHECK(std::isnan(Map11(1, std::vector<float>{1, 2}, std::vector<std::uint8_t>{0, 0}).value()));
    CHECK(std::isnan(accuracy({})));
    CHECK(outcome_of(std::vector<float>{1, 1, 2}, 1).rank == 2);
    for (const char* name : {"accuracy", "mean-per-class", "map11", "auc", "top1-top5-mean"})
        CHECK(metric_name(parse_metric(name)) == name);
    CHECK_THROWS_AS(parse_metric("top1"), Error);
}

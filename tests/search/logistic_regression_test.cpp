// SPDX-License-Identifier: MIT
// Fits against scikit-learn's (tests/golden/make_probe.py).
#include "search/logistic_regression.hpp"

#include <cmath>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>

#include <doctest/doctest.h>

#include "backend/registry.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "search/lbfgs.hpp"

using namespace clip;

namespace {

struct Case {
    std::string name;
    std::size_t dim = 0;
    std::vector<float> features;
    RowClasses classes;
    ConstView view() const {
        return {features.data(),
                Shape{static_cast<std::int64_t>(classes.rows()), static_cast<std::int64_t>(dim)}};
    }
    std::vector<std::uint32_t> rows() const {
        std::vector<std::uint32_t> out(classes.rows());
        std::iota(out.begin(), out.end(), 0U);
        return out;
    }
};

Case read_case(std::istream& in) {
    Case out;
    std::size_t rows = 0;
    in >> out.name >> rows >> out.dim >> out.classes.classes;
    out.classes.several = out.name == "several";
    for (std::size_t i = 0; i < rows; ++i) {
        std::string bits;
        in >> bits;
        std::vector<std::size_t> members;
        for (std::size_t c = 0; c < bits.size(); ++c)
            if (bits[c] == '1')
                members.push_back(c);
        out.classes.add(members);
        for (std::size_t d = 0; d < out.dim; ++d)
            in >> out.features.emplace_back();
    }
    return out;
}

/// Rows around centres, one a class.
Case clouds(std::size_t rows, std::size_t dim, std::size_t classes) {
    RandomStream random(3, rows);
    const auto normal = [&] {
        double sum = -6;
        for (int i = 0; i < 12; ++i)
            sum += random.next() / 4294967296.0;
        return sum;
    };
    Case out{.dim = dim};
    out.classes.classes = classes;
    std::vector<double> centres(classes * dim);
    for (double& value : centres)
        value = normal();
    for (std::size_t i = 0; i < rows; ++i) {
        out.classes.add(std::vector<std::size_t>{i % classes});
        for (std::size_t d = 0; d < dim; ++d)
            out.features.push_back(
                static_cast<float>(centres[(i % classes) * dim + d] + 2 * normal() + 3));
    }
    return out;
}

} // namespace

TEST_CASE("logistic regression: scikit-learn's optimum, with C = 1 / lambda") {
    if (!has_lbfgs())
        return;
    std::ifstream golden(CLIP_TEST_DIR "/golden/probe.txt");
    REQUIRE(golden.is_open());
    ThreadPool pool(2);
    const auto backend = make_backend(parse_device("auto"), pool);
    Case data;
    std::unique_ptr<LogisticRegression> regression;
    FitResult fit;
    std::size_t of_class = 0;
    int fits = 0;
    for (std::string word; golden >> word;) {
        if (word == "case") {
            data = read_case(golden);
            regression = std::make_unique<LogisticRegression>(*backend, data.view(), data.classes,
                                                              data.rows());
        } else if (word == "fit") {
            double lambda = 0, objective = 0;
            golden >> lambda >> objective;
            CAPTURE(data.name);
            CAPTURE(lambda);
            fit = regression->fit(lambda);
            CHECK(fit.converged);
            CHECK(std::abs(fit.objective - objective) < 1e-6 * objective);
            CHECK(std::abs(regression->objective(lambda, fit.classifier) - objective) <
                  1e-6 * objective);
            of_class = 0;
            ++fits;
        } else {
            std::vector<double> got, want;
            if (word == "weights") {
                const auto begin = fit.classifier.weights.begin() +
                                   static_cast<std::ptrdiff_t>(of_class++ * data.dim);
                got.assign(begin, begin + static_cast<std::ptrdiff_t>(data.dim));
            } else {
                got = fit.classifier.bias;
                const double mean =
                    std::accumulate(got.begin(), got.end(), 0.0) / static_cast<double>(got.size());
                if (!data.classes.several) // the softmax does not see a common part
                    for (double& value : got)
                        value -= mean;
            }
            double most = 0;
            for (std::size_t k = 0; k < got.size(); ++k) {
                golden >> want.emplace_back();
                most = std::max(most, std::abs(want.back()));
            }
            for (std::size_t k = 0; k < got.size(); ++k)
                CHECK(std::abs(got[k] - want[k]) < 3e-3 * most);
        }
    }
    CHECK(fits == 9);
}

TEST_CASE("logistic regression: the same bits whatever the threads, from wherever it begins") {
    if (!has_lbfgs())
        return;
    const Case data = clouds(5000, 24, 5); // more rows than one block
    ThreadPool one(1), three(3);
    const auto first = make_backend(parse_device("auto"), one);
    const auto second = make_backend(parse_device("auto"), three);
    const LogisticRegression a(*first, data.view(), data.classes, data.rows());
    const LogisticRegression b(*second, data.view(), data.classes, data.rows());
    const FitResult x = a.fit(0.5), y = b.fit(0.5);
    CHECK(x.classifier.weights == y.classifier.weights);
    CHECK(x.classifier.bias == y.classifier.bias);
    CHECK(x.iterations == y.iterations);
    // A start elsewhere leads to the same minimum.
    const FitResult far = a.fit(1e-4);
    const FitResult warm = a.fit(0.5, {.start = &far.classifier});
    CHECK(std::abs(warm.objective - x.objective) < 1e-6 * x.objective);
    const FitResult again = a.fit(0.5, {.start = &x.classifier});
    CHECK(again.iterations <= 4);
    CHECK(again.converged);
}

TEST_CASE("logistic regression: a subset of rows is fitted as if it were all") {
    if (!has_lbfgs())
        return;
    const Case all = clouds(60, 5, 3);
    Case part{.dim = 5};
    part.classes.classes = 3;
    std::vector<std::uint32_t> rows;
    for (std::uint32_t i = 0; i < 60; i += 1 + i % 2) {
        rows.push_back(i);
        part.classes.add(all.classes.of(i));
        part.features.insert(part.features.end(), all.features.begin() + i * 5,
                             all.features.begin() + i * 5 + 5);
    }
    ThreadPool pool(1);
    const auto backend = make_backend(parse_device("auto"), pool);
    const FitResult x = LogisticRegression(*backend, all.view(), all.classes, rows).fit(1);
    const FitResult y = LogisticRegression(*backend, part.view(), part.classes, part.rows()).fit(1);
    CHECK(x.classifier.weights == y.classifier.weights);
}

TEST_CASE("logistic regression: too few iterations are told, bad arguments refused") {
    if (!has_lbfgs())
        return;
    const Case data = clouds(200, 8, 3);
    ThreadPool pool(1);
    const auto backend = make_backend(parse_device("auto"), pool);
    const LogisticRegression regression(*backend, data.view(), data.classes, data.rows());
    const FitResult short_of = regression.fit(1e-6, {.max_iterations = 2});
    CHECK_FALSE(short_of.converged);
    CHECK(short_of.iterations == 2);
    CHECK_THROWS_AS(regression.fit(0), Error);
    CHECK_THROWS_AS(regression.fit(INFINITY), Error);
    std::atomic<bool> stop{true};
    CHECK_THROWS_AS(regression.fit(1, {.stop = &stop}), Error);
    Case one = clouds(10, 3, 1);
    CHECK_THROWS_AS(LogisticRegression(*backend, one.view(), one.classes, one.rows()), Error);
    CHECK_THROWS_AS(LogisticRegression(*backend, data.view(), data.classes, {}), Error);
    CHECK_THROWS_AS(
        LogisticRegression(*backend, data.view(), data.classes, std::vector<std::uint32_t>{200}),
        Error);
}

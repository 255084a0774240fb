// SPDX-License-Identifier: MIT
#include "app/probe_fit.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <utility>

#include "base/concat.hpp"
#include "search/lambda_search.hpp"

namespace clip::app {

namespace {

constexpr std::size_t kRowsAtOnce = 1024;

/// Of the steps that were fitted, the one nearest to `step`: its classifier is the best start.
const LinearClassifier* nearest(const std::map<int, FitResult>& fits, int step) {
    const LinearClassifier* best = nullptr;
    int distance = 0;
    for (const auto& [other, fit] : fits)
        if (best == nullptr || std::abs(other - step) <= distance) {
            distance = std::abs(other - step);
            best = &fit.classifier;
        }
    return best;
}

} // namespace

ProbeFitter::ProbeFitter(const ProbeData& data, Metric metric, std::size_t positive,
                         int max_iterations, Backend& backend, Reporter& reporter)
    : data_(data), metric_(metric), positive_(positive), max_iterations_(max_iterations),
      backend_(backend), reporter_(reporter) {}

FitResult ProbeFitter::fit(const LogisticRegression& regression, double lambda,
                           const LinearClassifier* start) {
    FitResult out = regression.fit(
        lambda, {.max_iterations = max_iterations_, .start = start, .stop = &reporter_.stop()});
    unconverged_ += out.converged ? 0 : 1;
    return out;
}

FitResult ProbeFitter::fit(std::span<const std::uint32_t> rows, double lambda,
                           const LinearClassifier& start) {
    return fit(LogisticRegression(backend_, data_.view(), data_.classes, rows), lambda, &start);
}

ChosenFit ProbeFitter::choose(std::span<const std::uint32_t> train,
                              std::span<const std::uint32_t> validation,
                              std::optional<double> lambda) {
    const LogisticRegression regression(backend_, data_.view(), data_.classes, train);
    if (lambda)
        return {.lambda = *lambda, .fit = fit(regression, *lambda, nullptr)};
    std::map<int, FitResult> fits;
    const LambdaSearch search = search_lambda([&](int step) {
        FitResult result = fit(regression, lambda_at(step), nearest(fits, step));
        const double value = evaluate(result.classifier, validation).value();
        if (std::isnan(value))
            fail(ErrorCode::invalid_argument,
                 concat("choose lambda: ", metric_name(metric_),
                        " is not defined on the validation rows: they lack a class"));
        reporter_.detail(concat("lambda ", lambda_at(step), ": ", metric_name(metric_), " ", value,
                                ", ", result.iterations, " iterations",
                                result.converged ? "" : ", not converged"));
        fits.emplace(step, std::move(result));
        return value;
    });
    ChosenFit out{.lambda = lambda_at(search.best)};
    for (const LambdaPoint& point : search.points) {
        const FitResult& result = fits.at(point.step);
        out.grid.push_back(
            {lambda_at(point.step), point.score, result.iterations, result.converged});
    }
    out.fit = std::move(fits.at(search.best));
    return out;
}

Evaluation ProbeFitter::evaluate(const LinearClassifier& classifier,
                                 std::span<const std::uint32_t> rows) {
    Evaluation evaluation(metric_, data_.labels.size(), positive_);
    const LinearScorer scorer(backend_, classifier);
    const std::size_t classes = data_.labels.size(), dim = data_.dim;
    std::vector<float> features, scores;
    std::vector<std::size_t> truths;
    for (std::size_t first = 0; first < rows.size(); first += kRowsAtOnce) {
        const std::size_t count = std::min(kRowsAtOnce, rows.size() - first);
        features.resize(count * dim);
        scores.resize(count * classes);
        for (std::size_t i = 0; i < count; ++i)
            std::copy_n(data_.features.data() + rows[first + i] * dim, dim,
                        features.data() + i * dim);
        const auto n = static_cast<std::int64_t>(count);
        scorer.score({features.data(), Shape{n, static_cast<std::int64_t>(dim)}},
                     {scores.data(), Shape{n, static_cast<std::int64_t>(classes)}});
        for (std::size_t i = 0; i < count; ++i) {
            const std::span<const std::uint32_t> own = data_.classes.of(rows[first + i]);
            truths.assign(own.begin(), own.end());
            evaluation.add(std::span(scores).subspan(i * classes, classes), truths);
        }
    }
    return evaluation;
}

} // namespace clip::app

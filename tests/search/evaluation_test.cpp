// SPDX-License-Identifier: MIT
#include "search/evaluation.hpp"

#include <cmath>

#include <doctest/doctest.h>

#include "base/error.hpp"

using namespace clip;

namespace {

void add(Evaluation& evaluation, const std::vector<float>& scores,
         const std::vector<std::size_t>& truths) {
    evaluation.add(scores, truths);
}

} // namespace

TEST_CASE("evaluation: accuracy is a proportion, with what is taken for what") {
    Evaluation evaluation(Metric::accuracy, 3);
    add(evaluation, {3, 1, 2}, {0});
    add(evaluation, {3, 1, 2}, {2});
    add(evaluation, {1, 1, 0}, {1}); // a tie: the first class is the answer
    add(evaluation, {0, 1, 0}, {1});
    ThreadPool pool(2);
    const Figure figure = evaluation.figure({.confidence = 0.95}, pool);
    const Interval want = clopper_pearson(2, 4, 0.95);
    CHECK(figure.value == 0.5);
    CHECK(figure.interval.low == want.low);
    CHECK(figure.interval.high == want.high);
    CHECK(figure.method == "clopper-pearson");
    CHECK(evaluation.confusion() == std::vector<std::uint64_t>{1, 0, 0, 1, 1, 0, 1, 0, 0});
    const std::vector<ClassFigure> classes = evaluation.classes();
    CHECK(classes[1].n == 2);
    CHECK(classes[1].value == 0.5);
    CHECK(classes[2].value == 0);
    CHECK(std::isnan(Evaluation(Metric::accuracy, 2).value()));
}

TEST_CASE("evaluation: every other metric has a bootstrap that holds it") {
    ThreadPool one(1), three(3);
    for (const Metric metric :
         {Metric::mean_per_class, Metric::map11, Metric::auc, Metric::top1_top5_mean}) {
        CAPTURE(metric_name(metric));
        Evaluation evaluation(metric, 2);
        for (int i = 0; i < 60; ++i) {
            const auto score = static_cast<float>((i * 7) % 10);
            add(evaluation, {5, score}, {score > 3 + i % 5 ? 1U : 0U});
        }
        CHECK(evaluation.n() == 60);
        const Figure figure = evaluation.figure({.resamples = 500}, one);
        CHECK(figure.value == evaluation.value());
        CHECK(figure.interval.low <= figure.value);
        CHECK(figure.value <= figure.interval.high);
        CHECK(figure.method == "bootstrap-percentile");
        const Figure again = evaluation.figure({.resamples = 500}, three);
        CHECK(again.interval.low == figure.interval.low);
        CHECK(again.interval.high == figure.interval.high);
    }
}

TEST_CASE("evaluation: the curve of the other class is the same one, turned round") {
    double values[2];
    for (const std::size_t positive : {0, 1}) {
        Evaluation evaluation(Metric::auc, 2, positive);
        add(evaluation, {1, 2}, {1});
        add(evaluation, {1, 3}, {0});
        add(evaluation, {2, 1}, {0});
        add(evaluation, {0, 2}, {1});
        values[positive] = evaluation.value();
    }
    CHECK(values[1] == 0.625); // 2 of 4 pairs are in order, one is a tie
    CHECK(values[0] == values[1]);
    CHECK_THROWS_AS(Evaluation(Metric::auc, 3), Error);
    CHECK_THROWS_AS(Evaluation(Metric::auc, 2, 2), Error);
    CHECK_THROWS_AS(Evaluation(Metric::accuracy, 0), Error);
}

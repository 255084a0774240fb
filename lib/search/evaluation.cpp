// SPDX-License-Identifier: MIT
#include "search/evaluation.hpp"

#include <functional>
#include <limits>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip {

namespace {

double share(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? std::numeric_limits<double>::quiet_NaN()
                      : static_cast<double>(part) / static_cast<double>(whole);
}

} // namespace

Evaluation::Evaluation(Metric metric, std::size_t classes, std::size_t positive)
    : metric_(metric), classes_(classes), positive_(positive) {
    if (classes == 0)
        fail(ErrorCode::invalid_argument, "evaluate: no classes");
    if (metric == Metric::auc && (classes != 2 || positive > 1))
        fail(ErrorCode::invalid_argument,
             concat("evaluate with auc: the area under the ROC curve is that of two classes (got ",
                    classes, ")"));
}

void Evaluation::add(std::span<const float> scores, std::span<const std::size_t> truths) {
    expect(scores.size() == classes_, "a score for each class");
    ++rows_;
    if (metric_ == Metric::map11) {
        scores_.insert(scores_.end(), scores.begin(), scores.end());
        is_of_.resize(is_of_.size() + classes_);
        for (const std::size_t truth : truths)
            is_of_[is_of_.size() - classes_ + truth] = 1;
        return;
    }
    expect(truths.size() == 1 && truths[0] < classes_, "a row has one class");
    outcomes_.push_back(outcome_of(scores, truths[0]));
    if (metric_ == Metric::auc)
        margins_.push_back(static_cast<double>(scores[positive_]) -
                           static_cast<double>(scores[1 - positive_]));
}

double Evaluation::value() const {
    switch (metric_) {
    case Metric::accuracy:
        return accuracy(outcomes_);
    case Metric::mean_per_class:
        return mean_per_class(outcomes_, classes_);
    case Metric::top1_top5_mean:
        return top1_top5_mean(outcomes_);
    case Metric::map11:
        return Map11(classes_, scores_, is_of_).value();
    case Metric::auc:
        break;
    }
    std::vector<std::uint8_t> positive;
    for (const Outcome& row : outcomes_)
        positive.push_back(row.truth == positive_ ? 1 : 0);
    return RocAuc(margins_, positive).value();
}

Figure Evaluation::figure(const BootstrapOptions& options, ThreadPool& pool) const {
    if (metric_ == Metric::accuracy)
        return {value(), clopper_pearson(count_right(outcomes_), rows_, options.confidence),
                "clopper-pearson"};
    std::vector<std::uint32_t> strata;
    if (metric_ == Metric::mean_per_class || metric_ == Metric::auc)
        for (const Outcome& row : outcomes_)
            strata.push_back(row.truth);
    const auto with = [&](double of_all, const std::function<double(RowCounts)>& of_counts) {
        return Figure{of_all, bootstrap(rows_, strata, options, pool, of_counts),
                      "bootstrap-percentile"};
    };
    if (metric_ == Metric::map11) {
        const Map11 map(classes_, scores_, is_of_);
        return with(map.value(), [&](RowCounts counts) { return map.value(counts); });
    }
    if (metric_ == Metric::auc) {
        std::vector<std::uint8_t> positive;
        for (const Outcome& row : outcomes_)
            positive.push_back(row.truth == positive_ ? 1 : 0);
        const RocAuc curve(margins_, positive);
        return with(curve.value(), [&](RowCounts counts) { return curve.value(counts); });
    }
    return with(value(), [&](RowCounts counts) {
        return metric_ == Metric::mean_per_class ? mean_per_class(outcomes_, classes_, counts)
                                                 : top1_top5_mean(outcomes_, counts);
    });
}

std::vector<ClassFigure> Evaluation::classes() const {
    std::vector<ClassFigure> out(classes_);
    if (metric_ == Metric::map11) {
        const Map11 map(classes_, scores_, is_of_);
        for (std::size_t i = 0; i < is_of_.size(); ++i)
            out[i % classes_].n += is_of_[i];
        for (std::size_t c = 0; c < classes_; ++c)
            out[c].value = map.average_precision(c);
        return out;
    }
    std::vector<std::uint64_t> right(classes_);
    for (const Outcome& row : outcomes_) {
        ++out[row.truth].n;
        right[row.truth] += row.rank == 0 ? 1 : 0;
    }
    for (std::size_t c = 0; c < classes_; ++c)
        out[c].value = share(right[c], out[c].n);
    return out;
}

std::vector<std::uint64_t> Evaluation::confusion() const {
    if (metric_ == Metric::map11)
        return {};
    std::vector<std::uint64_t> out(classes_ * classes_);
    for (const Outcome& row : outcomes_)
        ++out[row.truth * classes_ + row.answer];
    return out;
}

} // namespace clip

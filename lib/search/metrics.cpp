// SPDX-License-Identifier: MIT
#include "search/metrics.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <utility>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip {

namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint8_t kIsOfClass = 1, kIsLast = 2;

constexpr std::array<std::string_view, 5> kNames{"accuracy", "mean-per-class", "map11", "auc",
                                                 "top1-top5-mean"};

std::uint64_t count_of(RowCounts counts, std::size_t row) {
    return counts.empty() ? 1 : counts[row];
}

double ratio(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? kUndefined : static_cast<double>(part) / static_cast<double>(whole);
}

} // namespace

Metric parse_metric(std::string_view text) {
    const auto found = std::find(kNames.begin(), kNames.end(), text);
    if (found == kNames.end())
        fail(ErrorCode::invalid_argument,
             concat("read --metric: got '", text,
                    "', want accuracy, mean-per-class, map11, auc or top1-top5-mean"));
    return static_cast<Metric>(found - kNames.begin());
}

std::string_view metric_name(Metric metric) {
    return kNames[static_cast<std::size_t>(metric)];
}

Outcome outcome_of(std::span<const float> scores, std::size_t truth) {
    Outcome out{.truth = static_cast<std::uint32_t>(truth)};
    std::size_t best = 0;
    for (std::size_t c = 0; c < scores.size(); ++c) {
        out.rank += scores[c] > scores[truth] || (scores[c] == scores[truth] && c < truth) ? 1 : 0;
        if (scores[c] > scores[best])
            best = c;
    }
    out.answer = static_cast<std::uint32_t>(best);
    return out;
}

std::uint64_t count_right(std::span<const Outcome> rows) {
    return static_cast<std::uint64_t>(
        std::count_if(rows.begin(), rows.end(), [](const Outcome& row) { return row.rank == 0; }));
}

double accuracy(std::span<const Outcome> rows, RowCounts counts) {
    std::uint64_t right = 0, all = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::uint64_t count = count_of(counts, i);
        all += count;
        right += rows[i].rank == 0 ? count : 0;
    }
    return ratio(right, all);
}

double mean_per_class(std::span<const Outcome> rows, std::size_t classes, RowCounts counts) {
    std::vector<std::uint64_t> right(classes), all(classes);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::uint64_t count = count_of(counts, i);
        all[rows[i].truth] += count;
        right[rows[i].truth] += rows[i].rank == 0 ? count : 0;
    }
    double sum = 0;
    std::uint64_t occurring = 0;
    for (std::size_t c = 0; c < classes; ++c)
        if (all[c] > 0) {
            sum += ratio(right[c], all[c]);
            ++occurring;
        }
    return occurring == 0 ? kUndefined : sum / static_cast<double>(occurring);
}

double top1_top5_mean(std::span<const Outcome> rows, RowCounts counts) {
    std::uint64_t halves = 0, all = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::uint64_t count = count_of(counts, i);
        all += count;
        halves += (rows[i].rank < 1 ? count : 0) + (rows[i].rank < 5 ? count : 0);
    }
    return ratio(halves, 2 * all);
}

RocAuc::RocAuc(std::span<const double> scores, std::span<const std::uint8_t> positive)
    : order_(scores.size()), positive_(scores.size()), last_(scores.size()) {
    std::iota(order_.begin(), order_.end(), 0U);
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return scores[a] < scores[b]; });
    for (std::size_t i = 0; i < order_.size(); ++i) {
        positive_[i] = positive[order_[i]];
        last_[i] = i + 1 == order_.size() || scores[order_[i]] != scores[order_[i + 1]] ? 1 : 0;
    }
}

double RocAuc::value(RowCounts counts) const {
    // Twice the number of pairs that are in order, ties once.
    double pairs = 0;
    std::uint64_t negatives = 0, positives = 0, tied_negatives = 0, tied_positives = 0;
    for (std::size_t i = 0; i < order_.size(); ++i) {
        (positive_[i] != 0 ? tied_positives : tied_negatives) += count_of(counts, order_[i]);
        if (last_[i] == 0)
            continue;
        pairs += static_cast<double>(tied_positives) *
                 static_cast<double>(2 * negatives + tied_negatives);
        negatives += std::exchange(tied_negatives, 0);
        positives += std::exchange(tied_positives, 0);
    }
    if (negatives == 0 || positives == 0)
        return kUndefined;
    return pairs / 2 / static_cast<double>(negatives) / static_cast<double>(positives);
}

Map11::Map11(std::size_t classes, std::span<const float> scores,
             std::span<const std::uint8_t> truth)
    : rows_(classes == 0 ? 0 : scores.size() / classes), classes_(classes), order_(scores.size()),
      flags_(scores.size()) {
    for (std::size_t c = 0; c < classes; ++c) {
        const std::span<std::uint32_t> order(order_.data() + c * rows_, rows_);
        const auto score = [&](std::uint32_t row) { return scores[row * classes_ + c]; };
        std::iota(order.begin(), order.end(), 0U);
        std::stable_sort(order.begin(), order.end(),
                         [&](std::uint32_t a, std::uint32_t b) { return score(a) > score(b); });
        for (std::size_t i = 0; i < rows_; ++i) {
            const bool last = i + 1 == rows_ || score(order[i]) != score(order[i + 1]);
            flags_[c * rows_ + i] = static_cast<std::uint8_t>(
                (truth[order[i] * classes_ + c] != 0 ? kIsOfClass : 0) | (last ? kIsLast : 0));
        }
    }
}

double Map11::average_precision(std::size_t one_class, RowCounts counts) const {
    const std::span<const std::uint32_t> order(order_.data() + one_class * rows_, rows_);
    const std::span<const std::uint8_t> flags(flags_.data() + one_class * rows_, rows_);
    std::uint64_t of_class = 0;
    for (std::size_t i = 0; i < rows_; ++i)
        of_class += (flags[i] & kIsOfClass) != 0 ? count_of(counts, order[i]) : 0;
    if (of_class == 0)
        return kUndefined;
    std::array<double, 11> best{}; // the highest precision with exactly so many tenths of recall
    std::uint64_t found = 0, seen = 0;
    for (std::size_t i = 0; i < rows_; ++i) {
        const std::uint64_t count = count_of(counts, order[i]);
        seen += count;
        found += (flags[i] & kIsOfClass) != 0 ? count : 0;
        if ((flags[i] & kIsLast) == 0 || seen == 0)
            continue;
        double& place = best[static_cast<std::size_t>(10 * found / of_class)];
        place = std::max(place, ratio(found, seen));
    }
    double sum = 0, highest = 0;
    for (std::size_t tenth = best.size(); tenth-- > 0;) {
        highest = std::max(highest, best[tenth]);
        sum += highest;
    }
    return sum / static_cast<double>(best.size());
}

double Map11::value(RowCounts counts) const {
    double sum = 0;
    std::uint64_t defined = 0;
    for (std::size_t c = 0; c < classes_; ++c)
        if (const double precision = average_precision(c, counts); precision == precision) {
            sum += precision;
            ++defined;
        }
    return defined == 0 ? kUndefined : sum / static_cast<double>(defined);
}

} // namespace clip

// SPDX-License-Identifier: MIT
#include "trainer/vocabulary_softmax.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "ops/linear.hpp"
#include "ops/softmax.hpp"
#include "trainer/row_views.hpp"

namespace clip::trainer {

namespace {

double mean_of(const float* row, std::span<const std::int32_t> tokens) {
    double sum = 0;
    for (const std::int32_t token : tokens)
        sum += row[token];
    return sum / static_cast<double>(tokens.size());
}

/// The largest logit of a row and where it is. Its probability, at least 1 / V, gives the logarithm
/// of the sum of all exponentials however unlikely the tokens are that are asked for.
struct Largest {
    std::int64_t at = 0;
    double logit = 0;

    Largest() = default;
    Largest(const float* row, std::int64_t count)
        : at(std::max_element(row, row + count) - row), logit(row[at]) {}
    double log_sum_exp(const float* probabilities) const {
        return logit - std::log(static_cast<double>(probabilities[at]));
    }
};

} // namespace

VocabularySoftmax::VocabularySoftmax(const TowerContext& context, const std::string& weight,
                                     const std::string& bias)
    : context_(context), table_(context, weight, bias) {}

void VocabularySoftmax::check(const TokenSets& sets) const {
    const std::int64_t size = table_.out_features();
    for (const std::int32_t id : sets.ids)
        if (id < 0 || id >= size)
            fail(ErrorCode::invalid_argument,
                 concat("predict tokens: token ", id, " is outside the vocabulary of ", size));
}

/// Calls use(first, logits (n, V)) for rows [first, first + n), block after block.
template <typename Use>
void VocabularySoftmax::for_blocks(ConstView rows, const Use& use) {
    Arena& arena = context_.arena;
    const Arena::Mark mark = arena.mark();
    const std::int64_t count = rows.shape[0];
    const MutView block = arena.take(Shape{std::min(kRowsOfLogits, count), table_.out_features()});
    for (std::int64_t first = 0; first < count; first += kRowsOfLogits) {
        const std::int64_t n = std::min(kRowsOfLogits, count - first);
        const MutView logits = rows_from(block, 0, n);
        ops::linear(context_.backend,
                    {.x = rows_from(rows, first, n), .weights = table_.packed(), .y = logits});
        use(first, logits);
    }
    table_.done();
    arena.rewind(mark);
}

template <typename Body>
void VocabularySoftmax::for_rows(std::int64_t count, const Body& body) {
    context_.backend.pool().parallel_for(static_cast<std::size_t>(count), 1,
                                         [&body](std::size_t begin, std::size_t end) {
                                             for (std::size_t r = begin; r < end; ++r)
                                                 body(static_cast<std::int64_t>(r));
                                         });
}

void VocabularySoftmax::losses(ConstView rows, const TokenSets& targets, std::span<double> losses) {
    learn(rows, targets, {}, losses, {});
}

void VocabularySoftmax::learn(ConstView rows, const TokenSets& targets,
                              std::span<const float> weights, std::span<double> losses,
                              MutView grad_rows) {
    expect(targets.size() == rows.shape[0] && std::ssize(losses) == rows.shape[0],
           "a set and a loss for each row");
    check(targets);
    const std::int64_t size = table_.out_features();
    std::vector<Largest> largest(static_cast<std::size_t>(std::min(kRowsOfLogits, rows.shape[0])));
    for_blocks(rows, [&](std::int64_t first, MutView block) {
        const std::int64_t n = block.shape[0];
        for_rows(n, [&](std::int64_t r) {
            const float* logits = block.f32() + r * size;
            const auto tokens = targets[first + r];
            largest[static_cast<std::size_t>(r)] = Largest(logits, size);
            losses[static_cast<std::size_t>(first + r)] =
                tokens.empty() ? 0 : -mean_of(logits, tokens);
        });
        ops::softmax(context_.backend, {.x = block, .y = block});
        for_rows(n, [&](std::int64_t r) {
            float* row = block.f32() + r * size;
            const auto tokens = targets[first + r];
            const auto at = static_cast<std::size_t>(first + r);
            if (!tokens.empty())
                losses[at] += largest[static_cast<std::size_t>(r)].log_sum_exp(row);
            if (grad_rows.empty())
                return;
            const float weight = tokens.empty() ? 0.0F : weights[at];
            for (std::int64_t v = 0; v < size; ++v)
                row[v] *= weight;
            for (const std::int32_t token : tokens)
                row[token] -= weight / static_cast<float>(tokens.size());
        });
        if (!grad_rows.empty())
            table_.backward({.grad_y = block,
                             .x = rows_from(rows, first, n),
                             .grad_x = rows_from(grad_rows, first, n)});
    });
}

void VocabularySoftmax::score(ConstView rows, const TokenSets& sets, MutView scores) {
    expect(scores.shape == Shape({rows.shape[0], sets.size()}), "a score for each row and set");
    check(sets);
    const std::int64_t size = table_.out_features(), count = sets.size();
    std::vector<Largest> largest(static_cast<std::size_t>(std::min(kRowsOfLogits, rows.shape[0])));
    std::vector<double> means(largest.size() * static_cast<std::size_t>(count));
    for_blocks(rows, [&](std::int64_t first, MutView block) {
        for_rows(block.shape[0], [&](std::int64_t r) {
            const float* logits = block.f32() + r * size;
            largest[static_cast<std::size_t>(r)] = Largest(logits, size);
            for (std::int64_t c = 0; c < count; ++c)
                if (!sets[c].empty())
                    means[static_cast<std::size_t>(r * count + c)] = mean_of(logits, sets[c]);
        });
        ops::softmax(context_.backend, {.x = block, .y = block});
        for_rows(block.shape[0], [&](std::int64_t r) {
            const double sum =
                largest[static_cast<std::size_t>(r)].log_sum_exp(block.f32() + r * size);
            float* out = scores.f32() + (first + r) * count;
            for (std::int64_t c = 0; c < count; ++c)
                out[c] = static_cast<float>(
                    sets[c].empty() ? -std::log(static_cast<double>(size))
                                    : means[static_cast<std::size_t>(r * count + c)] - sum);
        });
    });
}

} // namespace clip::trainer

// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/train_args.hpp"

namespace clip::ref {

/// The mean of a row's elements at `tokens`, of which there is one at least.
template <typename T>
double mean_at(const T* row, std::span<const std::int32_t> tokens) {
    double sum = 0;
    for (const std::int32_t token : tokens)
        sum += row[token];
    return sum / static_cast<double>(tokens.size());
}

/// The largest logit of a row and where it is. Its probability, at least 1 / V, gives the logarithm
/// of the sum of all exponentials however unlikely the tokens are that are asked for.
template <typename T>
struct Largest {
    std::int64_t at = 0;
    double logit = 0;

    Largest() = default;
    Largest(const T* row, std::int64_t count)
        : at(std::max_element(row, row + count) - row), logit(row[at]) {}
    double log_sum_exp(const T* probabilities) const {
        return logit - std::log(static_cast<double>(probabilities[at]));
    }
};

/// From a row's probabilities to the gradient of weight * cross-entropy by its logits: nothing
/// where there are no tokens.
template <typename T>
void token_gradient(T* row, std::int64_t count, std::span<const std::int32_t> tokens, T weight) {
    const T own = tokens.empty() ? T(0) : weight;
    for (std::int64_t v = 0; v < count; ++v)
        row[v] *= own;
    for (const std::int32_t token : tokens)
        row[token] -= own / static_cast<T>(tokens.size());
}

/// Calls body(row) for each row, several threads of `ops` at a time.
template <typename Ops, typename Body>
void for_rows(Ops& ops, std::int64_t rows, const Body& body) {
    ops.pool().parallel_for(static_cast<std::size_t>(rows), 1,
                            [&body](std::size_t begin, std::size_t end) {
                                for (std::size_t r = begin; r < end; ++r)
                                    body(static_cast<std::int64_t>(r));
                            });
}

/// With the softmax of a backend on the host.
template <typename Ops>
void token_loss(Ops& ops, const TokenLossArgs& args) {
    const std::int64_t rows = args.logits.shape[0], size = args.logits.shape[1];
    auto* losses = args.losses.template as<double>();
    std::vector<Largest<float>> largest(static_cast<std::size_t>(rows));
    for_rows(ops, rows, [&](std::int64_t r) {
        const float* logits = args.logits.f32() + r * size;
        const auto tokens = args.targets[r];
        largest[static_cast<std::size_t>(r)] = Largest<float>(logits, size);
        losses[r] = tokens.empty() ? 0 : -mean_at(logits, tokens);
    });
    ops.softmax({.x = args.logits, .y = args.logits});
    for_rows(ops, rows, [&](std::int64_t r) {
        float* row = args.logits.f32() + r * size;
        const auto tokens = args.targets[r];
        if (!tokens.empty())
            losses[r] += largest[static_cast<std::size_t>(r)].log_sum_exp(row);
        if (!args.weights.empty())
            token_gradient(row, size, tokens, args.weights[static_cast<std::size_t>(r)]);
    });
}

/// Likewise.
template <typename Ops>
void token_scores(Ops& ops, const TokenScoresArgs& args) {
    const std::int64_t rows = args.logits.shape[0], size = args.logits.shape[1];
    const std::int64_t count = args.sets.size();
    std::vector<Largest<float>> largest(static_cast<std::size_t>(rows));
    std::vector<double> means(static_cast<std::size_t>(rows * count));
    for_rows(ops, rows, [&](std::int64_t r) {
        const float* logits = args.logits.f32() + r * size;
        largest[static_cast<std::size_t>(r)] = Largest<float>(logits, size);
        for (std::int64_t c = 0; c < count; ++c)
            if (!args.sets[c].empty())
                means[static_cast<std::size_t>(r * count + c)] = mean_at(logits, args.sets[c]);
    });
    ops.softmax({.x = args.logits, .y = args.logits});
    for_rows(ops, rows, [&](std::int64_t r) {
        const double sum =
            largest[static_cast<std::size_t>(r)].log_sum_exp(args.logits.f32() + r * size);
        float* out = args.scores.f32() + r * count;
        for (std::int64_t c = 0; c < count; ++c)
            out[c] = static_cast<float>(args.sets[c].empty()
                                            ? -std::log(static_cast<double>(size))
                                            : means[static_cast<std::size_t>(r * count + c)] - sum);
    });
}

} // namespace clip::ref

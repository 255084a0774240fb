// SPDX-License-Identifier: MIT
// The softmax over a vocabulary, which is large: 50,000 logits a row are never kept.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "backend/train_args.hpp"
#include "trainer/layers.hpp"

namespace clip::trainer {

/// Rows whose logits are there at once: 50 MB for 49,408 tokens. linear_backward adds up gradients
/// in slices of as many rows, so that blocks cost it nothing.
constexpr std::int64_t kRowsOfLogits = 256;
/// On a device so many times these: 200 MB fill it with work for 12 times as many tiles of a
/// product as it has multiprocessors.
constexpr std::int64_t kMostRowsOfLogits = 4;

/// log p(token) of rows: log softmax(row W^T + bias), for some rows at a time.
///
/// The loss of a row is its cross-entropy with a set of tokens, -mean log p(token); that of an
/// empty set is 0. Results are the same bits on any number of threads.
class VocabularySoftmax {
  public:
    /// Parameters: `weight` (V, D); `bias` (V), or an empty name.
    VocabularySoftmax(const TowerContext& context, const std::string& weight,
                      const std::string& bias);
    void refresh() { table_.refresh(); }

    /// rows (R, D), targets (R) -> losses (R), on the host
    /// Errors: invalid_argument (a token outside the vocabulary).
    void losses(ConstView rows, const TokenSets& targets, std::span<double> losses);
    /// The same; adds the gradients of sum over rows of weights * losses. weights (R),
    /// grad_rows (R, D) written.
    void learn(ConstView rows, const TokenSets& targets, std::span<const float> weights,
               std::span<double> losses, MutView grad_rows);
    /// Every row with every set: scores (R, C), on the host, = mean log p(token) of set c given row
    /// r. An empty set says nothing about a row: its score is -log V.
    /// Errors: invalid_argument (a token outside the vocabulary).
    void score(ConstView rows, const TokenSets& sets, MutView scores);

  private:
    template <typename Use>
    void for_blocks(ConstView rows, const Use& use);
    void check(const TokenSets& sets) const;

    const TowerContext& context_;
    TrainedLinear table_;
};

} // namespace clip::trainer

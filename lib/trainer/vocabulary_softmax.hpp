// SPDX-License-Identifier: MIT
// The softmax over a vocabulary, which is large: 50,000 logits a row are never kept.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "trainer/layers.hpp"

namespace clip::trainer {

/// Rows whose logits are there at once: 50 MB for 49,408 tokens. linear_backward adds up gradients
/// in slices of as many rows, so that blocks cost it nothing.
constexpr std::int64_t kRowsOfLogits = 256;

/// Sets of tokens: set i is ids[offsets[i]] to ids[offsets[i + 1] - 1], no token twice. Within a
/// set every token is as likely as another. A set may be empty.
struct TokenSets {
    std::span<const std::int32_t> ids;
    std::span<const std::int64_t> offsets; ///< (sets + 1), from 0

    std::int64_t size() const { return std::ssize(offsets) - 1; }
    std::span<const std::int32_t> operator[](std::int64_t i) const {
        const auto at = static_cast<std::size_t>(i);
        return ids.subspan(static_cast<std::size_t>(offsets[at]),
                           static_cast<std::size_t>(offsets[at + 1] - offsets[at]));
    }
};

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

    /// rows (R, D), targets (R) -> losses (R)
    /// Errors: invalid_argument (a token outside the vocabulary).
    void losses(ConstView rows, const TokenSets& targets, std::span<double> losses);
    /// The same; adds the gradients of sum over rows of weights * losses. weights (R),
    /// grad_rows (R, D) written.
    void learn(ConstView rows, const TokenSets& targets, std::span<const float> weights,
               std::span<double> losses, MutView grad_rows);
    /// Every row with every set: scores (R, C) = mean log p(token) of set c given row r. An empty
    /// set says nothing about a row: its score is -log V.
    /// Errors: invalid_argument (a token outside the vocabulary).
    void score(ConstView rows, const TokenSets& sets, MutView scores);

  private:
    template <typename Use>
    void for_blocks(ConstView rows, const Use& use);
    template <typename Body>
    void for_rows(std::int64_t count, const Body& body);
    void check(const TokenSets& sets) const;

    const TowerContext& context_;
    TrainedLinear table_;
};

} // namespace clip::trainer

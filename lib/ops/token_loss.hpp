// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Cross-entropy of each row's softmax over a vocabulary with a set of tokens, and its gradient by
/// the logits: the next token of a caption, or all tokens of it.
///
/// Shapes:  logits (R, V), V at least 1; R targets; weights (R) or empty; losses (R) of float64.
/// Maths:   losses[r] = -mean over tokens t of set r of log p[r, t], p = softmax(logits); 0 for an
///          empty set. With weights logits[r, v] becomes weights[r] (p[r, v] - [v in set r] / size
///          of set r), and 0 for an empty set; without, what it becomes is not said.
/// Numerics: the largest logit is subtracted first; a NaN makes its row and its loss NaN.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (a token outside of
///          the vocabulary, offsets that do not ascend, null pointer, overlap). That no set has a
///          token twice is not checked.
/// Source:  Joulin et al. 2016 (arXiv:1511.02251) eq. 3, for sets of more than one.
void token_loss(Backend& backend, const TokenLossArgs& args);

/// Every row with every set.
///
/// Shapes:  logits (R, V), V at least 1; C sets; scores (R, C).
/// Maths:   scores[r, c] = mean over tokens t of set c of log p[r, t]. An empty set says nothing
///          about a row: -log V.
/// Numerics, aliasing, errors: as token_loss. The content of logits is lost.
void token_scores(Backend& backend, const TokenScoresArgs& args);

} // namespace clip::ops

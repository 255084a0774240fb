// SPDX-License-Identifier: MIT
// Which tokens a picture's caption has, in any order: the middle curve of figure 2.
#pragma once

#include <memory>

#include "trainer/learner.hpp"

namespace clip::trainer {

/// A linear classifier of the picture's features, not normalised, over the vocabulary.
///
/// Loss:  the mean over pictures of -mean log p(token) over the caption's distinct tokens without
///        marks, each once; so each picture counts alike, however long its caption. A caption
///        without tokens counts as 0.
/// Score: mean log p(token) over the caption's distinct tokens; log 1/V where it has none.
/// Of the text tower nothing is used: see locked_by_objective().
/// Errors: invalid_argument (a token outside the vocabulary).
/// Source: the multi-class logistic loss of Joulin et al. 2016 (arXiv:1511.02251), whose bags of
///         words Radford et al. 2021 compare with in section 2.3.
std::unique_ptr<Learner> make_bag_of_words_learner(const LearnerParts& parts);

} // namespace clip::trainer

// SPDX-License-Identifier: MIT
// Which tokens a picture's caption has, in any order: the lower curve but one of figure 2.
#pragma once

#include <memory>

#include "trainer/learner.hpp"
#include "trainer/predictive_parameters.hpp"

namespace clip::trainer {

/// A linear classifier of the picture's features, not normalised, over the vocabulary.
///
/// Loss: the mean over pictures of -mean log p(token) over the caption's distinct tokens without
///       marks, each once: the multi-class logistic loss of Joulin et al. 2016 (arXiv:1511.02251)
///       section 3.2, which Radford et al. 2021 section 2.3 build on. A caption without tokens
///       counts as 0.
/// Score: mean log p(token) over the caption's distinct tokens; log 1/V where it has none.
/// The text tower has no part in it: see locked_by_objective().
std::unique_ptr<Learner> make_bag_of_words_learner(const LearnerParts& parts);

} // namespace clip::trainer

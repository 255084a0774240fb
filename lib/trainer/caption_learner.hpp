// SPDX-License-Identifier: MIT
// The caption, token by token: the lowest curve of figure 2.
#pragma once

#include <memory>

#include "trainer/learner.hpp"
#include "trainer/predictive_parameters.hpp"

namespace clip::trainer {

/// A language model that goes on from the picture (CaptionDecoder), trained together with the
/// picture tower: Radford et al. 2021 section 2.3, where it is "similar to VirTex" (Desai & Johnson
/// 2021, arXiv:2006.06666), here from left to right only.
///
/// Loss: the mean over pictures of -mean log p(token) over what its caption's start mark is
///       followed by: tokens and end mark. So each picture counts alike, however long its caption.
/// Score: mean log p(token) of the caption, given the picture. N pictures with C captions cost N C
///       sequences.
/// text_projection and logit_scale have no part in it: see locked_by_objective().
std::unique_ptr<Learner> make_caption_learner(const LearnerParts& parts);

} // namespace clip::trainer

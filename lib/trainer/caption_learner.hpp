// SPDX-License-Identifier: MIT
// The caption, token by token: the lowest curve of figure 2.
#pragma once

#include <memory>

#include "trainer/learner.hpp"

namespace clip::trainer {

/// A language model that goes on from the picture (CaptionDecoder), trained together with the
/// picture tower.
///
/// Loss:  the mean over pictures of -mean log p(token) over what follows its caption's start mark:
///        tokens and end mark. So each picture counts alike, however long its caption.
/// Score: mean log p(token) of the caption, end mark included, given the picture. N pictures with C
///        captions cost N C sequences.
/// text_projection and logit_scale are not used: see locked_by_objective().
/// Errors: as CaptionDecoder.
/// Source: Radford et al. 2021 section 2.3, where it is "similar to VirTex" (Desai & Johnson 2021,
///         arXiv:2006.06666); here from left to right only, and all of the picture in one row.
std::unique_ptr<Learner> make_caption_learner(const LearnerParts& parts);

} // namespace clip::trainer

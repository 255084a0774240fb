// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Dot products of every row of `a` with every row of `b`, scaled: CLIP's logits.
///
/// Shapes:  a (N, E); b (C, E), E at least 1; y (N, C).
/// Maths:   y = scale * a b^T.
/// Numerics: each element is a sum of its own in float32; the same bits whatever N and C are.
/// Aliasing: a may be b. No other overlap.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
///          overlap).
/// Source:  Radford et al. 2021 (arXiv:2103.00020) figure 3.
void similarity(Backend& backend, const SimilarityArgs& args);

} // namespace clip::ops

// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Puts the mean of a picture's places before them and adds positions: CLIP's attention pool's
/// input.
///
/// Shapes:  x (N, L, D), L at least 1; positions (L + 1, D), the mean token's first; y (N, L + 1,
/// D). Maths:   y[n] = [mean over L of x[n]; x[n]] + positions. Numerics: the mean's sum in float32
/// in the order of the places. Aliasing: none. Errors:  shape_mismatch, dtype_mismatch,
/// device_mismatch, invalid_argument (null pointer,
///          overlap).
/// Source:  openai/CLIP clip/model.py, class AttentionPool2d.
void mean_token(Backend& backend, const MeanTokenArgs& args);

/// Gradients of mean_token.
///
/// Shapes:  grad_y (N, L + 1, D); grad_x (N, L, D); grad_positions (L + 1, D).
/// Maths:   grad_x[n, l] = grad_y[n, l + 1] + grad_y[n, 0] / L,  grad_positions += sum over n of
///          grad_y[n].
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
///          overlap).
void mean_token_backward(Backend& backend, const MeanTokenBackwardArgs& args);

} // namespace clip::ops

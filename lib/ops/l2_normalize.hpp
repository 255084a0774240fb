// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Scales each row to length 1.
///
/// Shapes:  x, y (R, D), D at least 1; norms (R) or empty.
/// Maths:   y = x / max(|x|, 1e-12); norms = |x|.
/// Numerics: the sum of squares in float32, so rows longer than 1e19 give zeros.
/// Aliasing: y may be x. No other overlap.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
///          overlap).
/// Source:  as torch.nn.functional.normalize.
void l2_normalize(Backend& backend, const L2NormalizeArgs& args);

/// Gradient of l2_normalize.
///
/// Shapes:  y, grad_y, grad_x (R, D); norms (R), y and norms as the forward gave them.
/// Maths:   grad_x = (grad_y - y (y . grad_y)) / norm; where the norm was below 1e-12, grad_y /
///          1e-12.
/// Aliasing: grad_x may be grad_y. No other overlap.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
///          overlap).
void l2_normalize_backward(Backend& backend, const L2NormalizeBackwardArgs& args);

} // namespace clip::ops

// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Applies a point-wise function by itself, as where a backward pass needs an activation again.
///
/// Shapes:  x, y (R, D).
/// Maths:   y = activation(x).
/// Aliasing: y may be x. No other overlap.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
///          overlap).
void activation(Backend& backend, const ActivationArgs& args);

/// Gradient of a point-wise function.
///
/// Shapes:  x, grad_y, grad_x (R, D).
/// Maths:   grad_x = grad_y * activation'(x). The slope of relu at 0 is 0, so that its result may
///          stand for x.
/// Aliasing: grad_x may be grad_y. No other overlap.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
///          overlap).
void activation_backward(Backend& backend, const ActivationBackwardArgs& args);

} // namespace clip::ops

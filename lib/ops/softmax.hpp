// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Turns each row into probabilities.
///
/// Shapes:  x, y (R, C), C at least 1.
/// Maths:   y = exp(x - max x) / sum of exp(x - max x).
/// Numerics: float32; the largest is subtracted first, so nothing overflows. A NaN makes its row
/// NaN. Aliasing: y may be x. Errors:  shape_mismatch, dtype_mismatch, device_mismatch,
/// invalid_argument (null pointer,
///          overlap).
void softmax(Backend& backend, const SoftmaxArgs& args);

} // namespace clip::ops

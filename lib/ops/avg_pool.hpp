// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Means over non-overlapping square windows of channels-last pictures.
///
/// Shapes:  x (N, height, width, C); y (N, height / window, width / window, C), rounded down: what
///          does not fill a window is left out. window in pixels, at most height and width.
/// Maths:   y[n, i, j, c] = mean of x[n, i*window to i*window + window - 1, ..., c].
/// Numerics: sums in float32 in a fixed order.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (window, null
/// pointer,
///          overlap).
/// Source:  as torch.nn.AvgPool2d(window), used in openai/CLIP clip/model.py, class Bottleneck.
void avg_pool(Backend& backend, const AvgPoolArgs& args);

/// Gradient of avg_pool: every place of a window gets its share, what fills no window gets 0.
///
/// Shapes:  grad_y (N, height / window, width / window, C); grad_x (N, height, width, C).
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (window, null
///          pointer, overlap).
void avg_pool_backward(Backend& backend, const AvgPoolBackwardArgs& args);

} // namespace clip::ops

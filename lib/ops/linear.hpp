// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Converts and packs a linear layer's weights for `backend`; nothing of `weights` is kept.
///
/// Shapes:  weight (out, in); bias (out) or empty; in and out at least 1.
/// Numerics: storage f32 keeps the values; bf16 and f16 round to nearest even; i8 rounds each row
/// to
///          127 steps of its largest absolute value. Sums are in float32 or wider either way.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer),
///          unsupported (storage), out_of_memory.
std::unique_ptr<PreparedLinear> prepare_linear(Backend& backend, const LinearWeights& weights);

/// Multiplies rows by a matrix, adds a bias, applies a point-wise function and adds a residual.
///
/// Shapes:  x (R, in); residual (R, out) or empty; y (R, out); pre_activation (R, out) or empty.
/// Maths:   pre_activation = x W^T + bias,  y = activation(pre_activation) + residual.
/// Numerics: each element is a sum of its own in a fixed order; the same bits whatever R is.
/// Aliasing: y may be residual. No other overlap.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
///          overlap).
/// Source:  QuickGELU: Hendrycks & Gimpel 2016 (arXiv:1606.08415) section 2.
void linear(Backend& backend, const LinearArgs& args);

} // namespace clip::ops

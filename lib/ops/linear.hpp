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
/// Numerics: each element is a sum of its own in a fixed order; the same bits whatever R is. Where
///          y and pre_activation have 16 bits, y is of what pre_activation was before it was
///          rounded.
/// Aliasing: y may be residual. No other overlap.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
///          overlap).
/// Source:  QuickGELU: Hendrycks & Gimpel 2016 (arXiv:1606.08415) section 2.
void linear(Backend& backend, const LinearArgs& args);

/// Puts new values into weights that prepare_linear made, in the same memory: what training does
/// each step.
///
/// Shapes:  as those that `prepared` was made of; storage and whether there is a bias may change.
/// Errors:  as prepare_linear.
void update_linear(Backend& backend, PreparedLinear& prepared, const LinearWeights& weights);

/// Gradients of a linear layer, and through the activation that made its input.
///
/// Shapes:  grad_y (R, out); x, pre_activation, grad_x (R, in); weight, grad_weight (out, in);
///          grad_bias (out). x is needed for grad_weight, weight for grad_x. grad_y, x,
///          pre_activation and grad_x are of any type the backend takes, each of its own.
/// Maths:   grad_x = (grad_y W) * activation'(pre_activation),  grad_weight += grad_y^T x,
///          grad_bias += sum over rows of grad_y.
/// Numerics: a row of grad_x has the same bits whatever R is; sums over rows are cut into slices of
///          a fixed number of rows, one after the other.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
///          overlap).
void linear_backward(Backend& backend, const LinearBackwardArgs& args);

} // namespace clip::ops

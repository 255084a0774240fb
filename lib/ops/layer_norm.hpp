// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Normalises each row of `x` to zero mean and unit variance, then scales and shifts it.
///
/// Shapes:  x, y (R, D), D at least 1; gamma, beta (D); mean, rstd (R) or empty.
/// Maths:   y = (x - mean) * rstd * gamma + beta,  rstd = 1 / sqrt(var + eps),  var divides by D.
/// Numerics: statistics in float32 from two passes; bitwise equal between runs on one device.
/// Aliasing: y may be x. No other overlap.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
///          overlap, eps not positive).
/// Source:  Ba et al. 2016 (arXiv:1607.06450) eq. 3; float32 statistics as in openai/CLIP
///          clip/model.py, class LayerNorm.
void layer_norm(Backend& backend, const LayerNormArgs& args);

/// Gradients of layer_norm.
///
/// Shapes:  x, grad_y, residual, grad_x (R, D); gamma, grad_gamma, grad_beta (D); mean, rstd (R) as
///          the forward saved them. grad_y is of any type the backend takes, all else float32.
/// Maths:   z = (x - mean) rstd, g = grad_y gamma,  grad_x = rstd (g - mean(g) - z mean(g z)) +
///          residual,  grad_gamma += sum over rows of grad_y z,  grad_beta += sum of grad_y.
/// Numerics: a row of grad_x has the same bits whatever R is; sums over rows as in linear_backward.
/// Aliasing: grad_x may be residual. No other overlap.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
///          overlap).
/// Source:  Ba et al. 2016 (arXiv:1607.06450) eq. 3, differentiated.
void layer_norm_backward(Backend& backend, const LayerNormBackwardArgs& args);

} // namespace clip::ops

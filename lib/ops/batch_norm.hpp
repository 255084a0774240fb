// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Normalises each channel by the statistics of this batch, then scales, shifts, adds a residual
/// and applies an activation; updates the running statistics that inference will use.
///
/// Shapes:  x, y, residual (R, C), R at least 1, channels last: all places of all pictures are
/// rows;
///          gamma, beta, mean, rstd, running_mean, running_variance (C).
/// Maths:   y = activation((x - mean) rstd gamma + beta + residual),  rstd = 1 / sqrt(var + eps),
///          var divides by R;  running = (1 - momentum) running + momentum batch, whose variance
///          divides by R - 1 (by 1 where R is 1).
/// Numerics: sums over rows as in linear_backward. With `across`, the rows are those of all ranks:
///          sums over ranks are in double, of x first and then of what is around the mean. Running
///          statistics are then the same on all ranks.
/// Aliasing: y may be residual. No other overlap.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
///          overlap, eps not positive, momentum not in 0 to 1, activation).
/// Source:  Ioffe & Szegedy 2015 (arXiv:1502.03167) algorithm 1; momentum and the running variance
///          as torch.nn.BatchNorm2d.
void batch_norm(Backend& backend, const BatchNormArgs& args);

/// Gradients of batch_norm without activation and residual, for which activation_backward comes
/// first: its grad_x is the residual's gradient, and grad_y here.
///
/// Shapes:  x, grad_y, grad_x (R, C); gamma, mean, rstd, grad_gamma, grad_beta (C).
/// Maths:   z = (x - mean) rstd,  grad_x = gamma rstd (grad_y - mean(grad_y) - z mean(grad_y z)),
///          means over the rows (with `across`, those of all ranks);
///          grad_gamma += sum of grad_y z,  grad_beta += sum of grad_y (over this rank's rows).
/// Aliasing: grad_x may be grad_y. No other overlap.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
///          overlap).
void batch_norm_backward(Backend& backend, const BatchNormBackwardArgs& args);

} // namespace clip::ops

// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Converts and packs a convolution's weights for `backend`; nothing of `weights` is kept.
///
/// Shapes:  weight (C_out, C_in, kh, kw), each extent at least 1; bias (C_out) or empty. stride at
///          least 1 and padding from 0 to kh - 1 and kw - 1, both in pixels.
/// Numerics: storage as for prepare_linear, with one i8 scale an output channel.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
/// stride,
///          padding), unsupported (storage), out_of_memory.
std::unique_ptr<PreparedConv2d> prepare_conv2d(Backend& backend, const Conv2dWeights& weights);

/// Convolves channels-last pictures, adds a bias and a residual, and applies relu where asked.
///
/// Shapes:  x (N, height, width, C_in); residual, y (N, height', width', C_out), residual may be
///          empty; height' = (height + 2 padding - kh) / stride + 1, rounded down, width' likewise.
/// Maths:   y = activation(sum over i, j, c of x[stride*h' + i - padding, ..., c] W[., c, i, j]
///          + bias + residual), where x is 0 outside the picture.
/// Numerics: each element is a sum of its own in a fixed order; the same bits whatever N is.
/// Aliasing: y may be residual. No other overlap.
/// Errors:  shape_mismatch (also a kernel larger than the padded picture), dtype_mismatch,
///          device_mismatch, invalid_argument (null pointer, overlap, another activation).
/// Source:  as torch.nn.functional.conv2d without dilation and groups.
void conv2d(Backend& backend, const Conv2dArgs& args);

/// Puts new values into weights that prepare_conv2d made. Errors: as prepare_conv2d.
void update_conv2d(Backend& backend, PreparedConv2d& prepared, const Conv2dWeights& weights);

/// Gradients of a convolution without its activation and residual.
///
/// Shapes:  grad_y (N, height', width', C_out); x, grad_x (N, height, width, C_in); weight,
///          grad_weight (C_out, C_in, kh, kw); grad_bias (C_out). grad_weight needs x, grad_x needs
///          weight.
/// Maths:   grad_x: the sums of all places that saw it; grad_weight and grad_bias are added to.
/// Numerics: as linear_backward.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (stride, padding,
/// null
///          pointer, overlap).
void conv2d_backward(Backend& backend, const Conv2dBackwardArgs& args);

} // namespace clip::ops

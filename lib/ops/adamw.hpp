// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// One step of Adam with decoupled weight decay over all parameters.
///
/// Maths:   g = grad_scale grad,  weight *= 1 - learning_rate weight_decay (where it decays),
///          mean = beta1 mean + (1 - beta1) g,  square = beta2 square + (1 - beta2) g^2,
///          weight -= learning_rate / (1 - beta1^step) * mean / (sqrt(square) / sqrt(1 -
///          beta2^step) + eps).
/// Numerics: element by element, so the same bits on any number of threads.
/// Errors:  invalid_argument (null pointer, a negative count, step less than 1, a beta not in 0 to
///          1, eps not positive).
/// Source:  Loshchilov & Hutter 2019 (arXiv:1711.05101) algorithm 2; order and eps as
///          torch.optim.AdamW.
void adamw(Backend& backend, const AdamWArgs& args);

/// The Euclidean norm of all gradients together: what gradient clipping compares.
///
/// Numerics: in double, over pieces of a fixed size that are added in order, so the same bits on
/// any
///           number of threads.
/// Errors:  invalid_argument (null pointer, a negative count).
double grad_norm(Backend& backend, std::span<const AdamWParameter> parameters);

} // namespace clip::ops

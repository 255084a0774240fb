// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Dot products of every row with every query, and squared lengths of the rows, in float64.
///
/// Shapes:  rows (C, E) float32 or float16; queries (Q, E) or empty; dots (C * Q); norms2 (C) or
///          empty. E at least 1.
/// Numerics: products are exact; their sum has one fixed order, so that an element is the same bits
///          on every backend, whatever else is in the call.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument.
void exact_dots(Backend& backend, const ExactDotsArgs& args);

} // namespace clip::ops

// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Dot products of each row of x with the same row of y.
///
/// Shapes:  x, y (R, D); dots (R), on the host.
/// Numerics: in float64. A row has the same bits whatever R is.
/// Aliasing: x and y may be the same memory.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer).
void row_dots(Backend& backend, const RowDotsArgs& args);

} // namespace clip::ops

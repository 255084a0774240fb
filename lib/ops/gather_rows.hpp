// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Copies rows of a matrix, in the order asked for.
///
/// Shapes:  x (R, D); rows (Q); y (Q, D).
/// Maths:   y[i] = x[rows[i]].
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (a row out of range,
///          null pointer, overlap).
void gather_rows(Backend& backend, const GatherRowsArgs& args);

} // namespace clip::ops

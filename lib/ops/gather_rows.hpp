// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Copies rows of a matrix, in the order asked for.
///
/// Shapes:  x (R, D), of any type the backend takes; rows (Q); y (Q, D) of the same type.
/// Maths:   y[i] = x[rows[i]].
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (a row out of range,
///          null pointer, overlap).
void gather_rows(Backend& backend, const GatherRowsArgs& args);

/// Adds rows to those of a matrix.
///
/// Shapes:  x (Q, D), of any type the backend takes; rows (Q); y (R, D) of the same type.
/// Maths:   y[rows[i]] += x[i] in the order of i.
/// Numerics: sums are in float32; those of 16 bits are rounded once, at the end.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (a row out of range,
///          null pointer, overlap).
void scatter_add_rows(Backend& backend, const ScatterAddRowsArgs& args);

/// Gradient of gather_rows: rows that were not taken get 0, one that was taken twice gets the sum.
///
/// Shapes:  grad_y (Q, D); rows (Q); grad_x (R, D).
/// Maths:   grad_x = 0, then grad_x[rows[i]] += grad_y[i] in the order of i.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (a row out of range,
///          null pointer, overlap).
void gather_rows_backward(Backend& backend, const GatherRowsBackwardArgs& args);

} // namespace clip::ops

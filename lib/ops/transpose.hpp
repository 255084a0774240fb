// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// y = x^T or, with `add`, y += x^T.
///
/// Shapes:  x (R, C); y (C, R).
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
/// overlap).
void transpose(Backend& backend, const TransposeArgs& args);

} // namespace clip::ops

// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// y += x, element by element.
///
/// Shapes:  x and y of one shape.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
/// overlap).
void add(Backend& backend, const AddArgs& args);

/// y += amount (x - y), element by element, each step rounded to float32.
///
/// Shapes:  x and y of one shape.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
/// overlap).
void blend(Backend& backend, const BlendArgs& args);

} // namespace clip::ops

// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Converts a tensor between float32, float16 and bfloat16.
///
/// Shapes:  x and y of one shape.
/// Numerics: to the nearest, ties to even.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch (another type), device_mismatch, invalid_argument (null
///          pointer, overlap).
void convert(Backend& backend, const ConvertArgs& args);

} // namespace clip::ops

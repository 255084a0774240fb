// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Finds the k largest values of each row and where they are, largest first.
///
/// Shapes:  x (R, C); k from 1 to C; values (R, k); indices (R * k), row-major, in [0, C).
/// Numerics: equal values keep their order in the row; a NaN counts as smaller than anything.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (k, null pointer,
///          overlap).
void top_k(Backend& backend, const TopKArgs& args);

} // namespace clip::ops

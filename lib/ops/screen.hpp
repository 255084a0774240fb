// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Brings queries (Q, E), float32 rows of length 1, into the form that screening wants.
/// Errors: shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument.
std::unique_ptr<PreparedScreen> prepare_screen(Backend& backend, const ConstView& queries);

/// Finds the pairs of a row and a query whose cosine may reach the query's limit: a superset of
/// those whose exact cosine, rounded to float32, does. Meant to be far cheaper than all cosines.
///
/// Shapes:  rows (C, E) float32 or float16; inverse_norms (C), finite; limits (Q).
/// Numerics: which pairs are reported beyond those that must be depends on the backend.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointers).
void screen(Backend& backend, const ScreenArgs& args);

} // namespace clip::ops

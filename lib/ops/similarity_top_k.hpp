// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// The k most similar rows of each query, largest first, without keeping (Q, C) numbers.
///
/// Shapes:  queries (Q, E); rows (C, E); k from 1 to C; values (Q, k); indices (Q * k), row-major,
///          on the host, in [0, C).
/// Maths:   top_k of scale * queries rows^T.
/// Numerics: the same bits as similarity() and then top_k() of one backend.
/// Aliasing: queries and rows may be the same memory.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (k, null pointer,
///          overlap).
void similarity_top_k(Backend& backend, const SimilarityTopKArgs& args);

} // namespace clip::ops

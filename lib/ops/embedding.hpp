// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Looks up a row of a table for each token and adds its position's row.
///
/// Shapes:  ids, places (R); table (V, D) of any floating type at any address; positions (T, D);
///          y (R, D).
/// Maths:   y[r] = table[ids[r]] + positions[places[r]].
/// Numerics: the table's value as float32, then one addition.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (an id or a place out
///          of range, null pointer, overlap).
/// Source:  openai/CLIP clip/model.py, CLIP.encode_text.
void embedding(Backend& backend, const EmbeddingArgs& args);

/// Gradients of embedding: rows of grad_y are added to those that they came from.
///
/// Shapes:  ids, places (R); grad_y (R, D); grad_table (V, D); grad_positions (T, D).
/// Maths:   grad_table[ids[r]] += grad_y[r],  grad_positions[places[r]] += grad_y[r].
/// Numerics: in the order of r.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (an id or a place out
///          of range, null pointer, overlap).
void embedding_backward(Backend& backend, const EmbeddingBackwardArgs& args);

} // namespace clip::ops

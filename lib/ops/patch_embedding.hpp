// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Cuts pictures into patches, projects each, puts the class token before them and adds positions.
///
/// Shapes:  pictures (N, 3, S, S) with S = G * P; projection (D, 3*P*P), its inputs ordered
/// (channel,
///          row, column), without bias; class_token (D); positions (G*G + 1, D), the class token's
///          first; y (N, G*G + 1, D), patches row by row.
/// Maths:   y[n] = [class_token; patches(n) W^T] + positions.
/// Numerics: as linear; the same bits for a picture in any batch.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
/// overlap,
///          a patch side that does not divide the picture's).
/// Source:  Dosovitskiy et al. 2021 (arXiv:2010.11929) eq. 1.
void patch_embedding(Backend& backend, const PatchEmbeddingArgs& args);

/// Gradients of patch_embedding's parameters.
///
/// Shapes:  pictures (N, 3, S, S); grad_y (N, G*G + 1, D); grad_projection (D, 3*P*P);
///          grad_class_token (D); grad_positions (G*G + 1, D).
/// Maths:   grad_projection += sum over patches of grad_y^T patch,  grad_class_token += sum over n
///          of grad_y[n, 0],  grad_positions += sum over n of grad_y[n].
/// Numerics: sums over rows as in linear_backward.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
///          overlap, a patch side that does not divide the picture's).
void patch_embedding_backward(Backend& backend, const PatchEmbeddingBackwardArgs& args);

} // namespace clip::ops

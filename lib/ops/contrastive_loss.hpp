// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// One direction of the contrastive loss for some rows against all columns: what a rank, or a slice
/// of a batch that is accumulated, computes first.
///
/// Shapes:  rows (R, E); columns (N, E); log_sum_exp, target (R); row r's own column is first + r.
/// Maths:   logits = scale rows columns^T; log_sum_exp[r] of row r's, target[r] = logits[r, first +
///          r]. The mean over all N rows of (log_sum_exp - target) is the cross-entropy.
/// Numerics: logits are made in blocks of a fixed size and never kept; the same bits for a row in
///          any slice.
/// Aliasing: rows may lie inside of columns. No other overlap.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (first, scale, null
///          pointer, overlap).
/// Source:  Radford et al. 2021 (arXiv:2103.00020) figure 3.
void contrastive_rows(Backend& backend, const ContrastiveRowsArgs& args);

/// Gradient of the symmetric loss by those rows. It is whole: nothing is to be added over ranks,
/// which only exchange embeddings and column_log_sum_exp (that of contrastive_rows with the sides
/// changed).
///
/// Shapes:  rows, grad_rows (R, E); columns (N, E); row_log_sum_exp (R); column_log_sum_exp (N).
/// Maths:   grad_rows = weight scale (P + Q - 2 own) columns, P = exp(logits - row_log_sum_exp), Q
///          = exp(logits - column_log_sum_exp). With weight 1 / (2 N) it is CLIP's gradient, and
///          the gradient by log(scale) is the sum over all rows of rows . grad_rows.
/// Numerics, aliasing, errors: as contrastive_rows.
void contrastive_rows_backward(Backend& backend, const ContrastiveRowsBackwardArgs& args);

/// SigLIP's pairwise loss of some rows against all columns, with its gradients. Call it with the
/// sides changed for the other side's gradient.
///
/// Shapes:  rows, grad_rows (R, E); columns (N, E); loss, grad_bias (R).
/// Maths:   loss[r] = -weight sum over c of log sigmoid(z (scale rows[r] . columns[c] + bias)), z =
///          1 where c = first + r, else -1;  grad_rows and grad_bias are of the sum over r. The
///          gradient by log(scale) is the sum of rows . grad_rows.
/// Numerics, aliasing, errors: as contrastive_rows.
/// Source:  Zhai et al. 2023 (arXiv:2303.15343) eq. 1 and algorithm 1.
void siglip_rows(Backend& backend, const SiglipRowsArgs& args);

/// The loss of a whole batch on one machine, and its gradients.
struct ContrastiveLossArgs {
    ConstView a;     ///< (N, E) pictures, normalised
    ConstView b;     ///< (N, E) texts, normalised
    float scale = 1; ///< exp(log_scale), after it was clipped
    MutView grad_a;  ///< (N, E) written, or empty
    MutView grad_b;  ///< (N, E) written, or empty
};
struct ContrastiveLoss {
    double loss = 0;
    double grad_log_scale = 0; ///< 0 where grad_a is empty
};

/// Symmetric cross-entropy of scale a b^T, each row's own column being right.
///
/// Maths:   loss = (mean of rows' cross-entropies + mean of columns') / 2.
/// Numerics: the sums over rows are made in double, in order.
/// Errors:  as contrastive_rows.
/// Source:  Radford et al. 2021 (arXiv:2103.00020) figure 3.
ContrastiveLoss contrastive_loss(Backend& backend, const ContrastiveLossArgs& args);

} // namespace clip::ops

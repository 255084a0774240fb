// SPDX-License-Identifier: MIT
#pragma once

namespace clip {

/// The regularised incomplete beta function I_x(a, b): the probability that a beta variable of
/// these two shapes is at most x.
///
/// a and b are positive, x in [0, 1].
/// Numerics: relative error below 1e-10 for a + b up to 1e8 (tested against SciPy), from the
/// continued fraction in O(sqrt(a + b)) steps.
/// Source: DLMF 8.17.22; the modified method of Lentz for its evaluation.
double incomplete_beta(double a, double b, double x);

/// The x at which incomplete_beta(a, b, x) is p, for p in [0, 1].
double inverse_incomplete_beta(double a, double b, double p);

} // namespace clip

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes metrics.txt: figures and intervals as scikit-learn, SciPy and mpmath give them, for tests/search.

  make_metrics.py      (needs numpy, scipy, scikit-learn, mpmath; with Debian 12's the file is reproduced)

scipy.special's beta functions are off by 1e-9 and, for shapes of 5e7, by a tenth: mpmath corrects them.

Lines are words: what, then its arguments, then the expected values.
"""
import os
import mpmath
import numpy as np
from scipy import stats
from sklearn import metrics

rng = np.random.default_rng(20261123)
lines = []


def line(*words):
    lines.append(" ".join(repr(float(w)) if isinstance(w, (float, np.floating)) else str(w) for w in words))


mpmath.mp.dps = 30


def beta_cdf(a, b, x):
    """I_x(a, b): by its series, or by integrating the density around its peak."""
    if max(a, b) < 2000 or min(a, b) < 10:
        return mpmath.betainc(a, b, 0, x, regularized=True)
    log_beta = mpmath.loggamma(a) + mpmath.loggamma(b) - mpmath.loggamma(a + b)
    spread = mpmath.sqrt(mpmath.mpf(a) * b / (a + b) ** 3)
    points = [max(mpmath.mpf(0), x - k * spread) for k in (24, 16, 12, 8, 6, 4, 3, 2, 1, 0)]
    return mpmath.quad(lambda t: mpmath.exp((a - 1) * mpmath.log(t) + (b - 1) * mpmath.log(1 - t) - log_beta), points)


def beta_inverse(a, b, p):
    """SciPy's answer, corrected by Newton's steps in 30 digits."""
    x = mpmath.mpf(float(stats.beta.ppf(p, a, b)))
    for _ in range(3):
        log_density = ((a - 1) * mpmath.log(x) + (b - 1) * mpmath.log(1 - x) - mpmath.loggamma(a) - mpmath.loggamma(b)
                       + mpmath.loggamma(a + b))
        x -= (beta_cdf(a, b, x) - mpmath.mpf(p)) / mpmath.exp(log_density)
    return float(x)


for a, b in [(0.5, 0.5), (1, 1), (1, 50), (50, 1), (2.5, 7), (10, 1000), (500, 501), (37000, 13001), (999999, 2),
             (5e7, 5e7)]:
    for p in [1e-12, 1e-4, 0.0025, 0.3, 0.5, 0.9, 0.9975]:
        x = beta_inverse(a, b, p)
        line("inverse", float(a), float(b), p, x)
        line("beta", float(a), float(b), x, float(beta_cdf(a, b, mpmath.mpf(x))))

for k, n in [(0, 1), (1, 1), (0, 10), (10, 10), (1, 10), (5, 10), (9, 10), (632, 1000), (31600, 50000), (49999, 50000),
             (3, 1000000), (500000, 1000000)]:
    for confidence in [0.5, 0.95, 0.995, 0.9999]:
        interval = stats.binomtest(k, n).proportion_ci(confidence, "exact")
        line("clopper_pearson", k, n, confidence, interval.low, interval.high)


def interpolated(truth, score):
    """VOC2007, from scikit-learn's precision and recall."""
    precision, recall, _ = metrics.precision_recall_curve(truth, score)
    precision, recall = precision[:-1], recall[:-1]  # the last point is made up
    return np.mean([precision[recall >= t - 1e-12].max() for t in np.arange(11) / 10])


# Data with ties: a row a line, its label, its labels as bits, its scores; then the figures.
for rows, classes, decimals in [(60, 7, 1), (41, 6, 4), (200, 2, 1)]:
    truth = rng.integers(0, classes, rows)
    bits = (rng.random((rows, classes)) < 0.25).astype(int)
    scores = np.round(rng.normal(size=(rows, classes)) + 1.2 * np.eye(classes)[truth] + 0.8 * bits, decimals)
    scores = scores.astype(np.float32)
    line("data", rows, classes)
    for t, b, s in zip(truth, bits, scores):
        line("row", t, "".join(map(str, b)), *[float(str(v)) for v in s])
    # Ties go to the class that comes first, as a stable sort of negated scores has it.
    ranks = np.array([list(np.argsort(-s, kind="stable")).index(t) for s, t in zip(scores, truth)])
    answer = np.array([np.argsort(-s, kind="stable")[0] for s in scores])
    line("accuracy", metrics.accuracy_score(truth, answer))
    line("mean_per_class", metrics.balanced_accuracy_score(truth, answer))
    line("top1_top5_mean", (np.mean(ranks < 1) + np.mean(ranks < 5)) / 2)
    line("auc", metrics.roc_auc_score((truth == 1).astype(int), scores[:, 1]))
    each = [interpolated(bits[:, c], scores[:, c]) for c in range(classes)]
    line("average_precision", *each)
    line("map11", np.mean(each))

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "metrics.txt"), "w") as out:
    out.write("\n".join(lines) + "\n")

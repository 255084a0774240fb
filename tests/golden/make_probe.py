#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes probe.txt: logistic regressions as scikit-learn fits them, for tests/search.

  make_probe.py      (needs numpy and scikit-learn; with Debian 12's the file is reproduced)

A case is: "case NAME rows features classes", then for each row its classes as bits and its features;
then for each lambda "fit lambda objective", and "weights" and "bias" of each class.
"""
import os
import numpy as np
from sklearn.linear_model import LogisticRegression

rng = np.random.default_rng(4)
lines = []


def numbers(values):
    return " ".join(repr(float(v)) for v in np.ravel(values))


def loss(truth, scores, several):
    if several or scores.shape[1] == 1:
        return np.logaddexp(0, np.where(truth, -scores, scores)).sum()
    return (np.logaddexp.reduce(scores, 1) - scores[truth.astype(bool)]).sum()


for name, rows, dim, classes, several in [("multinomial", 90, 7, 4, False), ("binomial", 60, 5, 2, False),
                                          ("several", 70, 6, 3, True)]:
    center = rng.normal(size=(classes, dim)) * 1.5
    if several:
        truth = (rng.random((rows, classes)) < 0.4).astype(int)
    else:
        truth = np.eye(classes, dtype=int)[np.r_[np.arange(classes), rng.integers(0, classes, rows - classes)]]
    # Features of very different sizes, with a large mean, as the penultimate layer has them.
    x = ((truth @ center + rng.normal(size=(rows, dim)) * 2) * np.logspace(-1, 1, dim) + 5).astype(np.float32)
    lines.append(f"case {name} {rows} {dim} {classes}")
    for bits, row in zip(truth, x):
        lines.append("".join(map(str, bits)) + " " + numbers(row))
    x = x.astype(np.float64)
    for strength in [1e4, 10, 1e-2]:
        make = lambda: LogisticRegression(C=1 / strength, max_iter=100000, tol=1e-12, solver="newton-cg")
        if several:
            fits = [make().fit(x, truth[:, c]) for c in range(classes)]
            weights, bias = np.vstack([f.coef_ for f in fits]), np.concatenate([f.intercept_ for f in fits])
        else:
            fit = make().fit(x, truth.argmax(1))
            weights, bias = fit.coef_, fit.intercept_
        scores = x @ weights.T + bias
        binomial = classes == 2 and not several
        value = loss(truth[:, 1:] if binomial else truth, scores, several) + strength / 2 * (weights ** 2).sum()
        lines.append(f"fit {strength!r} {value!r}")
        if binomial:
            weights, bias = np.vstack([-weights / 2, weights / 2]), np.r_[-bias / 2, bias / 2]
        if not several:
            bias = bias - bias.mean()
        for c in range(classes):
            lines.append("weights " + numbers(weights[c]))
        lines.append("bias " + numbers(bias))

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe.txt"), "w") as out:
    out.write("\n".join(lines) + "\n")

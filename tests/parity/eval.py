#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clip-eval against scikit-learn, SciPy and NumPy, on the same data.

  eval.py                  every metric and interval, retrieval, and the linear probe
  eval.py --time [CLASSES ...]   the probe on 10,000 x 768 features beside scikit-learn: value,
                           objective and seconds, without and with the search

clip-eval is taken from PATH. Needs numpy, scipy, scikit-learn and h5py.
"""
import argparse, json, os, subprocess, sys, tempfile, time, warnings
import h5py
import numpy as np
from scipy import stats
from scipy.special import logsumexp
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

MODEL = "ViT-X@000000000000"
LAMBDA = lambda step: 10 ** (-6 + step / 8)
failures = 0


def check(name, good, detail=""):
    global failures
    failures += not good
    print(f"{name}: {'ok' if good else 'DIFFERENT'} {detail}")


def write(path, vectors, items, texts=False, settings=""):
    with h5py.File(path, "w") as file:
        file["embedding"] = vectors.astype(np.float32)
        file.create_dataset("item", data=list(items), dtype=h5py.string_dtype())
        file["kind"] = np.full(len(vectors), int(texts), np.uint8)
        file.attrs.update(format="clip-embeddings", version=1, model=MODEL, normalized=0, logit_scale=100.0,
                          tool="eval.py", settings=settings)


def run(*words):
    result = subprocess.run(["clip-eval", *map(str, words)], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"clip-eval {' '.join(map(str, words))}: {result.stderr}")
    return json.loads(result.stdout)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


# The metrics, from scores (N, C) and truths (N, C) of 0 and 1.
def answers(scores):
    return np.argsort(-scores, axis=1, kind="stable")


def map11(scores, truth):
    each = []
    for c in range(truth.shape[1]):
        precision, recall, _ = metrics.precision_recall_curve(truth[:, c], scores[:, c])
        each.append(np.mean([precision[:-1][recall[:-1] >= t - 1e-12].max() for t in np.arange(11) / 10]))
    return np.mean(each)


METRICS = {
    "accuracy": lambda s, t: metrics.accuracy_score(t.argmax(1), answers(s)[:, 0]),
    "mean-per-class": lambda s, t: metrics.balanced_accuracy_score(t.argmax(1), answers(s)[:, 0]),
    "top1-top5-mean": lambda s, t: np.mean([(answers(s)[:, :k] == t.argmax(1)[:, None]).any(1).mean() for k in (1, 5)]),
    "map11": map11,
    "auc": lambda s, t: metrics.roc_auc_score(t[:, 1], s[:, 1].astype(float) - s[:, 0]),
}


def resampled(metric, scores, truth, rng, count=4000):
    """A bootstrap of its own: within classes where clip-eval draws within them."""
    rows = np.arange(len(scores))
    groups = [rows] if metric in ("top1-top5-mean", "map11") else \
        [rows[truth.argmax(1) == c] for c in range(truth.shape[1])]
    values = []
    for _ in range(count):
        drawn = np.concatenate([rng.choice(g, len(g)) for g in groups if len(g)])
        values.append(METRICS[metric](scores[drawn], truth[drawn]))
    return np.percentile(values, [2.5, 97.5])


def zeroshot(folder, rng):
    for metric, classes in [("accuracy", 7), ("mean-per-class", 7), ("top1-top5-mean", 9), ("map11", 5), ("auc", 2)]:
        rows, dim = 400, 24
        weights = rng.normal(size=(classes, dim))
        truth = np.eye(classes, dtype=int)[np.r_[np.arange(classes), rng.integers(0, classes, rows - classes)]]
        if metric == "map11":
            truth |= rng.random(truth.shape) < 0.2
        x = truth @ weights * 0.35 + rng.normal(size=(rows, dim))
        names = [f"{i}.png" for i in range(rows)]
        write(f"{folder}/x.h5", x, names)
        write(f"{folder}/c.h5", weights, [f"c{c}" for c in range(classes)], texts=True)
        with open(f"{folder}/truth.tsv", "w") as out:
            for name, row in zip(names, truth):
                out.write(name + "\t" + "|".join(f"c{c}" for c in np.flatnonzero(row)) + "\n")
        got = run("zeroshot", "--classifier", f"{folder}/c.h5", "--truth", f"{folder}/truth.tsv", "--metric", metric,
                  "--confidence", 0.95, f"{folder}/x.h5")
        scores = 100 * unit(x.astype(np.float32).astype(float)) @ unit(weights.astype(np.float32).astype(float)).T
        want = METRICS[metric](scores, truth)
        check(f"zeroshot {metric}", abs(got["value"] - want) < 1e-12, f"{got['value']:.6f}")
        if metric == "accuracy":
            right = round(want * rows)
            interval = stats.binomtest(right, rows).proportion_ci(0.95, "exact")
            near = np.allclose(got["interval"], [interval.low, interval.high], atol=2e-9)
        else:
            interval = resampled(metric, scores, truth, rng, 600 if metric == "map11" else 3000)
            # Percentiles of two bootstraps differ by chance: a tenth of the width is far more.
            near = np.abs(np.subtract(got["interval"], interval)).max() < 0.1 * (interval[1] - interval[0])
        check(f"zeroshot {metric} interval", near, f"{got['interval']} {np.round(interval, 6).tolist()}")


def retrieval(folder, rng):
    pictures, captions, dim = 700, 2500, 32
    a = rng.normal(size=(pictures, dim))
    of = [set(rng.integers(0, pictures, rng.integers(1, 3))) for _ in range(captions)]
    b = np.array([a[list(o)].mean(0) for o in of]) + rng.normal(size=(captions, dim)) * 1.2
    write(f"{folder}/a.h5", a, [f"{i}.png" for i in range(pictures)])
    write(f"{folder}/b.h5", b, [f"caption {i}" for i in range(captions)], texts=True)
    with open(f"{folder}/pairs.tsv", "w") as out:
        for c, o in enumerate(of):
            for i in sorted(o):
                out.write(f"{i}.png\tcaption {c}\n")
    got = run("retrieval", "--pairs", f"{folder}/pairs.tsv", f"{folder}/a.h5", f"{folder}/b.h5")
    scores = unit(a.astype(np.float32).astype(float)) @ unit(b.astype(np.float32).astype(float)).T
    right = np.zeros((pictures, captions), bool)
    for c, o in enumerate(of):
        right[list(o), c] = True
    scores, right = scores[right.any(1)], right[right.any(1)]  # only what a pair names takes part
    for key, s, r in [("image_to_text", scores, right), ("text_to_image", scores.T, right.T)]:
        best = np.where(r, s, -np.inf).max(1)
        ranks = 1 + (s > best[:, None]).sum(1)
        one = got[key]
        values = [one[f"recall_at_{k}"]["value"] for k in (1, 5, 10)]
        want = [(ranks <= k).mean() for k in (1, 5, 10)]
        check(f"retrieval {key}", np.allclose(values, want, atol=1e-12) and one["n"] == len(s)
              and one["candidates"] == s.shape[1] and one["median_rank"] == np.median(ranks), f"{np.round(values, 4).tolist()}")


def features(rng, rows, dim, classes, apart):
    """Directions of very different strength and a large mean, as the penultimate layer has them."""
    strength = (1 + np.arange(dim)) ** -0.75
    turn, _ = np.linalg.qr(rng.normal(size=(dim, dim)))
    centre = rng.normal(size=(classes, dim)) * strength
    truth = np.r_[np.arange(classes), rng.integers(0, classes, rows - classes)]
    x = (rng.normal(size=(rows, dim)) * strength * 2.2 + centre[truth] * apart) @ turn.T * 8 + rng.normal(size=dim)
    return x.astype(np.float32), truth


def objective(x, truth, weights, bias, strength):
    scores = x.astype(float) @ weights.T + bias
    if len(weights) == 1:
        return np.logaddexp(0, np.where(truth == 1, -scores[:, 0], scores[:, 0])).sum() + strength / 2 * (weights ** 2).sum()
    return (logsumexp(scores, 1) - scores[np.arange(len(x)), truth]).sum() + strength / 2 * (weights ** 2).sum()


def write_split(folder, x, truth, sizes):
    first, names = 0, ["train", "val", "test"]
    for name, size in zip(names, sizes):
        part = slice(first, first + size)
        write(f"{folder}/{name}.h5", x[part], [f"{name}/c{t:03d}/{i}.png" for i, t in enumerate(truth[part])],
              settings="layer=penultimate")
        first += size


def probe(folder, rng):
    for classes in (2, 5):
        sizes = (900, 300, 400)
        x, truth = features(rng, sum(sizes), 40, classes, 0.35)
        write_split(folder, x, truth, sizes)
        got = run("probe", *[w for n in ("train", "val", "test") for w in (f"--{n}", f"{folder}/{n}.h5")], "--truth", "folder")
        train, val = slice(0, 900), slice(900, 1200)
        fit = lambda strength, part: LogisticRegression(C=1 / strength, max_iter=20000, tol=1e-10).fit(x[part], truth[part])
        for point in got["grid"]:
            if not 1e-3 < point["lambda"] < 1e5:
                continue  # there scikit-learn does not get to the minimum
            want = fit(point["lambda"], train).score(x[val], truth[val])
            check(f"probe {classes} classes lambda {point['lambda']:g}", abs(point["value"] - want) < 1.5 / 300,
                  f"{point['value']:.4f} {want:.4f}")
        best = max(p["value"] for p in got["grid"])
        chosen = max(p["lambda"] for p in got["grid"] if p["value"] == best)
        check(f"probe {classes} classes: lambda", got["lambda"] == chosen, f"{chosen:g}")
        model = fit(chosen, slice(0, 1200))
        want = objective(x[:1200], truth[:1200], model.coef_, model.intercept_, chosen)
        check(f"probe {classes} classes: objective", abs(got["objective"] / want - 1) < 1e-5,
              f"{got['objective']:.6f} {want:.6f}")
        value = model.score(x[1200:], truth[1200:])
        check(f"probe {classes} classes: value", abs(got["value"] - value) < 1.5 / 400, f"{got['value']:.4f} {value:.4f}")


def timed(folder, rng, classes):
    sizes = (8000, 2000, 2000)
    x, truth = features(rng, sum(sizes), 768, classes, 0.35 if classes < 50 else 0.6)
    write_split(folder, x, truth, sizes)
    files = [w for n in ("train", "val", "test") for w in (f"--{n}", f"{folder}/{n}.h5")]
    for strength in (100, 1, 0.01):
        start = time.time()
        got = run("probe", "--train", f"{folder}/train.h5", "--train", f"{folder}/val.h5", "--test", f"{folder}/test.h5",
                  "--truth", "folder", "--lambda", strength)
        ours = time.time() - start
        start = time.time()
        model = LogisticRegression(C=1 / strength, max_iter=1000, solver="lbfgs").fit(x[:10000], truth[:10000])
        theirs = time.time() - start
        value = model.score(x[10000:], truth[10000:])
        their_objective = objective(x[:10000], truth[:10000], model.coef_, model.intercept_, strength)
        print(f"{classes} classes, lambda {strength}: clip-eval {got['value']:.4f}, objective {got['objective']:.8g}, "
              f"{got['iterations']} iterations, {ours:.1f} s; scikit-learn {value:.4f}, objective {their_objective:.8g}, "
              f"{model.n_iter_[0]} iterations, {theirs:.1f} s")
    start = time.time()
    got = run("probe", *files, "--truth", "folder")
    print(f"{classes} classes, whole search: {got['value']:.4f} with lambda {got['lambda']:.3g}, {len(got['grid'])} fits, "
          f"{time.time() - start:.1f} s")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--time", nargs="*", type=int)
options = parser.parse_args()
warnings.filterwarnings("ignore")
with tempfile.TemporaryDirectory() as folder:
    rng = np.random.default_rng(11)
    if options.time is not None:
        for classes in options.time or (10, 100):
            timed(folder, rng, classes)
    else:
        zeroshot(folder, rng)
        retrieval(folder, rng)
        if "not in this build" in subprocess.run(["clip-eval", "probe", "--train", "x"], capture_output=True, text=True).stderr:
            print("probe: skipped: built without liblbfgs")
        else:
            probe(folder, rng)
sys.exit(failures > 0)

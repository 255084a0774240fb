#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clip-rank against numpy in float64: scores, order, softmax, duplicates, on files made by h5py.

    tests/parity/search.py      (clip-rank in $PATH)

Vectors are random, of lengths other than 1, with outlying dimensions as CLIP's have; stored as
float32 and float16, in chunks, contiguous, gzipped, and as JSON lines.
"""

import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np

ATTRIBUTES = {"format": "clip-embeddings", "version": 1, "model": "random@000000000000",
              "normalized": 0, "logit_scale": 100.0, "tool": "search.py"}
failures = []


def expect(good, what):
    if not good:
        failures.append(what)
        print(f"search: {what}: FAILED", file=sys.stderr)


def write(path, x, **how):
    with h5py.File(path, "w") as f:
        f.create_dataset("embedding", data=x, **how)
        f.create_dataset("item", data=[str(i) for i in range(len(x))], dtype=h5py.string_dtype("utf-8"))
        f.create_dataset("kind", data=np.zeros(len(x), "u1"))
        f.attrs.update(ATTRIBUTES)


def write_json(path, x):
    with open(path, "w") as f:
        for i, row in enumerate(x):
            f.write(json.dumps({"path": str(i), "model": ATTRIBUTES["model"],
                                "embedding": [float(v) for v in row]}) + "\n")


def vectors(rng, count, width, outliers):
    x = rng.standard_normal((count, width))
    x[:, :outliers] *= 12
    x[:, :outliers] += 6
    return (x * rng.uniform(0.1, 10, (count, 1))).astype(np.float32)


def unit(x):
    x = x.astype(np.float64)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def rank(*arguments):
    done = subprocess.run(["clip-rank", "--quiet", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"clip-rank {arguments}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(what, hits, scores, k, bound=1e-6):
    """Hits of all queries against all scores (queries, rows)."""
    k = min(k or scores.shape[1], scores.shape[1])
    expect(len(hits) == k * len(scores), f"{what}: number of hits")
    worst = 0.0
    for q, row in enumerate(scores):
        got = hits[q * k:(q + 1) * k]
        ids = np.array([int(hit["path"]) for hit in got])
        given = np.array([hit["score"] for hit in got])
        worst = max(worst, np.abs(given - row[ids]).max())
        best = np.sort(row)[::-1][:k]
        worst = max(worst, np.abs(given - best).max())
        expect([hit["rank"] for hit in got] == list(range(1, k + 1)), f"{what}: ranks")
        expect((np.diff(given) <= 0).all(), f"{what}: order")
    expect(worst <= bound, f"{what}: scores are off by {worst}")
    return worst


def main():
    rng = np.random.default_rng(1)
    os.chdir(tempfile.mkdtemp())
    worst = 0.0
    for width, count, queries, outliers in (512, 20000, 300, 0), (768, 5000, 50, 4), (77, 3000, 3, 1):
        x, q = vectors(rng, count, width, outliers), vectors(rng, queries, width, outliers)
        x[count // 2:count // 2 + queries // 2] = q[:queries // 2] * 3  # some hits are exact
        write("q.h5", q)
        write("a.h5", x, chunks=(100, width))
        write("b.h5", x)
        write("c.h5", x, chunks=(64, width), compression="gzip")
        write("d.h5", x, dtype=">f4", chunks=(333, width))
        write("h.h5", x.astype(np.float16), chunks=(1000, width))
        write_json("j.jsonl", x)
        cosines = unit(q) @ unit(x).T
        halves = unit(q) @ unit(x.astype(np.float16)).T
        for name in "a.h5", "b.h5", "c.h5", "d.h5", "j.jsonl":
            for threads in 1, 2:
                worst = max(worst, compare(f"{name}, width {width}", rank("--queries", "q.h5", "-j", threads, name),
                                           cosines, 10))
        worst = max(worst, compare(f"float16, width {width}", rank("--queries", "q.h5", "h.h5"), halves, 10))
        both = rank("--queries", "q.h5", "-k", 20, "a.h5", "b.h5")
        expect([hit["score"] for hit in both[0::2]] == [hit["score"] for hit in both[1::2]], "two files, one content")
        few = slice(0, 3)
        write("few.h5", q[few])
        for k in 7, 0:
            compare("all", rank("--queries", "few.h5", "-k", k, "a.h5"), cosines[few], k)
            logits = 100 * cosines[few]
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            shares /= shares.sum(axis=1, keepdims=True)
            compare("softmax", rank("--queries", "few.h5", "-k", k, "--scores", "softmax", "a.h5"), shares, k)
            compare("logit", rank("--queries", "few.h5", "-k", k, "--scores", "logit", "a.h5"), logits, k, 1e-5)
        least = float(np.sort(cosines[0])[-30])
        got = rank("--queries", "q.h5", "-k", 0, f"--threshold={least}", "a.h5")
        sure = int((cosines >= least + 1e-7).sum()), int((cosines >= least - 1e-7).sum())
        expect(sure[0] <= len(got) <= sure[1], "threshold")

    # All pairs of 5,000 rows, a third of which are near to another.
    x = vectors(rng, 5000, 128, 2)
    x[3000:] = x[rng.integers(0, 3000, 2000)] + 0.35 * vectors(rng, 2000, 128, 2) * rng.uniform(0, 1, (2000, 1))
    x = x.astype(np.float32)
    for store in np.float32, np.float16:
        y = x.astype(store)
        write("x.h5", y, chunks=(128, 128))
        near = unit(y) @ unit(y).T
        for least in 0.9, 0.95, 0.99:
            near_enough = near.astype(np.float32) >= np.float32(least)
            group = np.arange(len(y))
            while True:  # the smallest number among neighbours, until nothing changes
                smaller = np.where(near_enough, group[None, :], len(y)).min(axis=1)
                if (smaller == group).all():
                    break
                group = smaller
            want = [list(np.nonzero(group == g)[0]) for g in np.unique(group) if (group == g).sum() > 1]
            got = rank("--duplicates", f"--threshold={least}", "x.h5")
            expect([[item["row"] for item in g["items"]] for g in got] == want, f"duplicates at {least}, {store.__name__}")
            for g in got:
                first = g["items"][0]["row"]
                for item in g["items"]:
                    expect(abs(item["score"] - near[first, item["row"]]) <= 1e-6, "scores of duplicates")
    print(f"search: scores within {worst:.2g} of numpy's float64")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()

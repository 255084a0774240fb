#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clip-rank beside plain reading and beside Faiss, on the same random vectors.

    tests/bench/search.py BUILD [--rows 1000000] [--threads 2] [--faiss-python PYTHON]

Prints JSON lines. Times of clip-rank are those of the whole process, files in the page cache; those
of Faiss are of index.search() alone, its vectors already in memory. Results must be equal: scores
within 1e-6, and the same rows in the same order except where scores are that close.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import h5py
import numpy as np

WIDTH = 512
FAISS = """
import json, sys, time
import faiss, numpy as np
rows, queries, threads, out = sys.argv[1:]
faiss.omp_set_num_threads(int(threads))
x, q = np.load(rows), np.load(queries)
index = faiss.IndexFlatIP(x.shape[1])
index.add(x)
best = []
for _ in range(3):
    start = time.perf_counter()
    scores, ids = index.search(q, 10)
    best.append(time.perf_counter() - start)
np.savez(out, scores=scores, ids=ids)
print(json.dumps({"version": faiss.__version__, "options": faiss.get_compile_options(), "seconds": best}))
"""


def unit(count, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, WIDTH), dtype=np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def write(path, x, store, text):
    """The layout of clip-embed's files (clip-embeddings(5))."""
    with h5py.File(path, "w") as f:
        rows = (1 << 20) // (WIDTH * np.dtype(store).itemsize)
        f.create_dataset("embedding", data=x.astype(store), chunks=(min(rows, len(x)), WIDTH),
                         maxshape=(None, WIDTH))
        f.create_dataset("item", data=[f"item {i}" for i in range(len(x))], chunks=(4096,),
                         maxshape=(None,), dtype=h5py.string_dtype("utf-8"))
        f.create_dataset("kind", data=np.full(len(x), int(text), "u1"), chunks=(4096,),
                         maxshape=(None,))
        f.attrs.update({"format": "clip-embeddings", "version": np.int32(1), "model": "random@000000000000",
                        "normalized": np.uint8(1), "logit_scale": 100.0, "tool": "search.py"})


def run(command, out):
    """Seconds and kilobytes of a process whose output goes to a file.

    A child's peak memory begins with that of this process, so time(1) stands between them.
    """
    with open(out, "wb") as file:
        start = time.perf_counter()
        subprocess.run(["/usr/bin/time", "-f", "%M", "-o", "memory", *command], stdout=file, check=True)
        seconds = time.perf_counter() - start
    with open("memory") as file:
        return seconds, int(file.read())


def plain_read(path):
    start = time.perf_counter()
    with open(path, "rb", buffering=0) as file:
        block = bytearray(1 << 20)
        while file.readinto(block):
            pass
    return time.perf_counter() - start


def report(what, **figures):
    print(json.dumps({"what": what, **{k: round(v, 3) if isinstance(v, float) else v
                                       for k, v in figures.items()}}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--faiss-python", default=sys.executable)
    args = parser.parse_args()
    rank = [os.path.join(os.path.abspath(args.build), "cmd", "clip-rank"), "-j", str(args.threads), "--quiet"]
    folder = os.path.join(os.path.abspath(args.build), "bench-search")
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)

    x, queries = unit(args.rows, 1), unit(1000, 2)
    np.save("rows.npy", x)
    write("rows.h5", x, "f4", False)
    write("rows16.h5", x, "f2", False)
    for count in 1, 100, 1000:
        write(f"queries{count}.h5", queries[:count], "f4", True)
        np.save(f"queries{count}.npy", queries[:count])
    with open("rows.jsonl", "w") as file:
        for i, row in enumerate(x[:50000]):
            numbers = ",".join(np.format_float_positional(v, unique=True, trim="-") for v in row)
            file.write(f'{{"path":"{i}.jpg","model":"random@000000000000","embedding":[{numbers}]}}\n')

    for _ in range(3):
        bytes_ = os.path.getsize("rows.h5")
        reading = plain_read("rows.h5")
        for rows in "rows.h5", "rows16.h5":
            seconds, memory = run([*rank, "--queries", "queries1.h5", rows], "hits.jsonl")
            report("one query", rows=rows, seconds=seconds, gb_per_second=os.path.getsize(rows) / seconds / 1e9,
                   plain_read_gb_per_second=bytes_ / reading / 1e9, max_rss_kb=memory)
    seconds, memory = run([*rank, "--queries", "queries1.h5", "rows.jsonl"], "hits.jsonl")
    report("one query, JSON lines", mb_per_second=os.path.getsize("rows.jsonl") / seconds / 1e6, max_rss_kb=memory)

    has_faiss = subprocess.run([args.faiss_python, "-c", "import faiss"], capture_output=True).returncode == 0
    if not has_faiss:
        print(f"search: no faiss in {args.faiss_python}", file=sys.stderr)
    for count in 100, 1000:
        ours = []
        for _ in range(3):
            seconds, memory = run([*rank, "--queries", f"queries{count}.h5", "rows.h5"], "hits.jsonl")
            ours.append(seconds)
        figures = {"queries": count, "seconds": min(ours), "max_rss_kb": memory}
        if has_faiss:
            faiss = json.loads(subprocess.run(
                [args.faiss_python, "-c", FAISS, "rows.npy", f"queries{count}.npy", str(args.threads), "faiss.npz"],
                capture_output=True, text=True, check=True).stdout)
            theirs = np.load("faiss.npz")
            hits = [json.loads(line) for line in open("hits.jsonl")]
            ids = np.array([int(hit["path"].split()[1]) for hit in hits]).reshape(count, 10)
            scores = np.array([hit["score"] for hit in hits]).reshape(count, 10)
            apart = np.abs(scores - theirs["scores"]).max()
            elsewhere = ids != theirs["ids"]
            figures |= {"faiss": faiss["version"], "faiss_options": faiss["options"],
                        "faiss_seconds": min(faiss["seconds"]),
                        "times_faster": min(faiss["seconds"]) / min(ours),
                        "largest_difference": float(f"{apart:.2g}"), "places_that_differ": int(elsewhere.sum())}
            if apart > 1e-6:
                sys.exit(f"scores differ by {apart}")
        report("top 10", **figures)

    with_copies = x[:200_000].copy()
    copies = np.random.default_rng(3).choice(200_000, (2, 5000), replace=False)
    noise = unit(5000, 4) * np.random.default_rng(5).uniform(0.1, 0.45, (5000, 1)).astype(np.float32)
    with_copies[copies[1]] = with_copies[copies[0]] + noise
    write("copies.h5", with_copies, "f4", False)
    seconds, memory = run([*rank, "--duplicates", "copies.h5"], "groups.jsonl")
    report("duplicates", rows=len(with_copies), seconds=seconds, max_rss_kb=memory,
           groups=sum(1 for _ in open("groups.jsonl")))


if __name__ == "__main__":
    main()

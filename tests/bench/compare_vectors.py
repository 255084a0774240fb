#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the vectors of two files of JSON lines: check_gpu.sh's device with the CPU.

Usage: compare_vectors.py WANT GOT TOLERANCE    (1 where any number differs by more, or an item is missing)
"""
import json
import sys


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


want, got, tolerance = read(sys.argv[1]), read(sys.argv[2]), float(sys.argv[3])
if not want or len(want) != len(got):
    sys.exit(f"compare_vectors: {len(got)} items, want {len(want)}")
for a, b in zip(want, got):
    if "embedding" not in a or len(a["embedding"]) != len(b.get("embedding", [])):
        sys.exit(f"compare_vectors: no vectors to compare: {a} {b}")
    most = max(abs(x - y) for x, y in zip(a["embedding"], b["embedding"]))
    if not most <= tolerance:
        sys.exit(f"compare_vectors: {a.get('path')}: differs by {most}, want at most {tolerance}")

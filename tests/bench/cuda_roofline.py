#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the CUDA kernels have to move and to compute, and the least time that takes.

Prints the tables of lib/backend/cuda/README.md. With --check FILE it looks for them there, so that the
page cannot say anything else than this program.
"""

import argparse
import sys

# Dense tensor-core rate in 16 bits with float32 sums (TFLOP/s), memory (GB/s): NVIDIA's data sheets
# of the A100 80 GB SXM and the H100 SXM.
GPUS = {"A100": (312.0, 2039.0), "H100": (989.4, 3350.0)}
# What such kernels reach of these peaks: an estimate on paper, from published figures for kernels of the
# same shape (mma.sync on A100; wgmma on H100). A measurement replaces it (make bench-gpu).
REACHED = {"A100": (0.70, 0.85), "H100": (0.60, 0.85)}

BATCH = 256
TOWERS = {
    "ViT-B/32": dict(tokens=50, width=768, mlp=3072, layers=12, patch=32, image=224, embed=512),
    "ViT-L/14": dict(tokens=257, width=1024, mlp=4096, layers=24, patch=14, image=224, embed=768),
}
HEAD = 64


def gemm(rows, n, k, out_bytes, residual_bytes=0):
    """(bytes, FLOP) of y = x W^T: 16-bit operands, each read once."""
    return rows * k * 2 + n * k * 2 + rows * n * (out_bytes + residual_bytes), 2 * rows * n * k


def kernels(t):
    """Name, launches a forward pass, (bytes, FLOP) of one; inference in 16 bits, residual stream float32."""
    rows, d, m = BATCH * t["tokens"], t["width"], t["mlp"]
    pixels = 3 * t["image"] ** 2
    grid = (t["image"] // t["patch"]) ** 2
    k = 3 * t["patch"] ** 2
    return [
        ("preprocess (from 500 x 375)", BATCH, (500 * 375 * 3 + pixels * 4, 12 * pixels * 10)),
        ("patch embedding", 1, (BATCH * pixels * 4 + d * k * 2 + rows * d * 4, 2 * BATCH * grid * d * k)),
        ("layer norm", 2 * t["layers"] + 2, (rows * d * 6, 8 * rows * d)),
        ("linear: queries, keys, values", t["layers"], gemm(rows, 3 * d, d, 2)),
        ("attention", t["layers"], (rows * d * 8, 4 * rows * t["tokens"] * d)),
        ("linear: output, residual", t["layers"], gemm(rows, d, d, 4, 4)),
        ("linear: MLP in, activation", t["layers"], gemm(rows, m, d, 2)),
        ("linear: MLP out, residual", t["layers"], gemm(rows, d, m, 4, 4)),
        ("projection", 1, gemm(BATCH, t["embed"], d, 4)),
        ("L2 normalise", 1, (BATCH * t["embed"] * 8, 3 * BATCH * t["embed"])),
    ]


def seconds(work, gpu, share=False):
    tensor, memory = GPUS[gpu]
    if share:
        tensor, memory = tensor * REACHED[gpu][0], memory * REACHED[gpu][1]
    return max(work[1] / (tensor * 1e12), work[0] / (memory * 1e9))


def table(name, t):
    yield f"### {name}, batch {BATCH}"
    yield ""
    yield "| kernel | launches | MB each | GFLOP each | A100 bound by | A100 us | H100 us |"
    yield "|---|---|---|---|---|---|---|"
    least = dict.fromkeys(GPUS, 0.0)
    expected = dict.fromkeys(GPUS, 0.0)
    for kernel, launches, work in kernels(t):
        bound = "memory" if work[0] / (GPUS["A100"][1] * 1e9) > work[1] / (GPUS["A100"][0] * 1e12) else "tensor cores"
        for gpu in GPUS:
            least[gpu] += launches * seconds(work, gpu)
            expected[gpu] += launches * seconds(work, gpu, True)
        yield (f"| {kernel} | {launches} | {work[0] / 1e6:.1f} | {work[1] / 1e9:.1f} | {bound} "
               f"| {seconds(work, 'A100') * 1e6:.0f} | {seconds(work, 'H100') * 1e6:.0f} |")
    for what, times in (("least", least), ("expected", expected)):
        text = "; ".join(f"{gpu} {times[gpu] * 1e3:.1f} ms, {BATCH / times[gpu]:.0f} pictures/s" for gpu in GPUS)
        yield "" if what == "least" else None
        yield f"Forward pass, {what}: {text}."
    yield ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", metavar="FILE", help="fail unless FILE contains the tables")
    options = parser.parse_args()
    lines = [line for name, t in TOWERS.items() for line in table(name, t) if line is not None]
    if options.check is None:
        print("\n".join(lines))
        return 0
    with open(options.check, encoding="utf-8") as page:
        have = set(page.read().splitlines())
    missing = [line for line in lines if line and line not in have]
    for line in missing:
        print(f"{options.check}: not there: {line}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())

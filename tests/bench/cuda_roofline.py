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
# Pictures as they are decoded, and how many bytes of them go up together (app/picture_batch.cpp).
PICTURE = (500, 375)
UPLOAD = 56 << 20


def gemm(rows, n, k, out_bytes, residual_bytes=0):
    """(bytes, FLOP) of y = x W^T: 16-bit operands, each read once."""
    return rows * k * 2 + n * k * 2 + rows * n * (out_bytes + residual_bytes), 2 * rows * n * k


def preprocess(t):
    """What prepares a batch: an upload has two launches, and a copy on the device from where it lands."""
    width, height = PICTURE
    decoded, side = 3 * width * height, t["image"]
    uploads = -(-BATCH // (UPLOAD // decoded))
    pictures = BATCH / uploads
    middle, pixels = 3 * height * side, 3 * side**2
    taps = 4 * min(PICTURE) / side  # bicubic, antialiased
    return [
        ("pictures (500 x 375) to their place", uploads, (pictures * 2 * decoded, 0)),
        ("preprocess: along rows", uploads, (pictures * (decoded + middle), pictures * 2 * taps * middle)),
        ("preprocess: along columns", uploads, (pictures * (middle + pixels * 4), pictures * 2 * taps * pixels)),
    ]


def kernels(t):
    """Name, launches a forward pass, (bytes, FLOP) of one; inference in 16 bits, residual stream float32."""
    rows, d, m = BATCH * t["tokens"], t["width"], t["mlp"]
    pixels = 3 * t["image"] ** 2
    grid = (t["image"] // t["patch"]) ** 2
    k = 3 * t["patch"] ** 2
    return preprocess(t) + [
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


def training(t):
    """The same of a step of training of the picture tower in 16 bits: so are activations and their gradients
    in memory, but for the residual stream and its gradient. Operands that are float32 are converted first (6
    bytes an element): weights, and gradients that come from the residual stream."""
    rows, d, m, layers = BATCH * t["tokens"], t["width"], t["mlp"], t["layers"]

    def backward(n, k, from_stream=False, activation=False):
        converted = 6 * n * k + (6 * rows * n if from_stream else 0)
        moved = 2 * (rows * n * 2 + rows * k * 2 + n * k) + 8 * n * k + (2 * rows * k if activation else 0)
        return converted + moved, 4 * rows * n * k

    parameters = layers * (4 * d * d + 2 * d * m)
    return [
        ("linear backward: queries, keys, values", layers, backward(3 * d, d)),
        ("linear backward: output", layers, backward(d, d, from_stream=True)),
        ("linear backward: MLP in", layers, backward(m, d)),
        ("linear backward: MLP out", layers, backward(d, m, from_stream=True, activation=True)),
        ("attention backward", layers, (rows * d * 2 * 13, 14 * rows * t["tokens"] * d)),
        ("layer norm backward", 2 * layers, (rows * d * 20, 16 * rows * d)),
        ("contrastive loss, both directions", 2, (BATCH * t["embed"] * 16, 6 * BATCH * BATCH * t["embed"])),
        ("AdamW, blocks of the picture tower", 1, (parameters * 28, parameters * 14)),
        ("similarity and top 10 of 1,000,000 (3 x TF32; FLOP as if of 16 bits)", 1,
         (10**6 * t["embed"] * 4, 3 * 2 * 2 * BATCH * 10**6 * t["embed"])),
    ]


def seconds(work, gpu, share=False):
    tensor, memory = GPUS[gpu]
    if share:
        tensor, memory = tensor * REACHED[gpu][0], memory * REACHED[gpu][1]
    return max(work[1] / (tensor * 1e12), work[0] / (memory * 1e9))


def micros(value):
    return f"{value * 1e6:.0f}" if value >= 10e-6 else f"{value * 1e6:.1f}"


def rows_of_table(works):
    yield "| kernel | launches | MB each | GFLOP each | A100 bound by | A100 us, least | expected | H100 us, least | expected |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for kernel, launches, work in works:
        by_memory = work[0] / (GPUS["A100"][1] * 1e9) > work[1] / (GPUS["A100"][0] * 1e12)
        times = " | ".join(micros(seconds(work, gpu, share)) for gpu in GPUS for share in (False, True))
        yield (f"| {kernel} | {launches} | {work[0] / 1e6:.1f} | {work[1] / 1e9:.1f} "
               f"| {'memory' if by_memory else 'tensor cores'} | {times} |")


def table(name, t):
    yield f"### {name}, batch {BATCH}: a forward pass"
    yield ""
    yield from rows_of_table(kernels(t))
    yield ""
    for what, share in (("least", False), ("expected", True)):
        total = {gpu: sum(n * seconds(work, gpu, share) for _, n, work in kernels(t)) for gpu in GPUS}
        text = "; ".join(f"{gpu} {total[gpu] * 1e3:.1f} ms, {BATCH / total[gpu]:.0f} pictures/s" for gpu in GPUS)
        yield f"Together, {what}: {text}."
        yield ""
    yield f"### {name}, batch {BATCH}: what training and search add"
    yield ""
    yield from rows_of_table(training(t))
    yield ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", metavar="FILE", help="fail unless FILE contains the tables")
    options = parser.parse_args()
    lines = [line for name, t in TOWERS.items() for line in table(name, t)]
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

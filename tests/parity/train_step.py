#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Three steps of training against the PyTorch oracle: loss, every gradient, every weight.

  train_step.py --oracle clip_oracle.py --driver clip_train_step_driver --arch tiny-vit ... [--mpirun 'mpirun -n 2']

For every architecture the oracle makes a checkpoint and random batches, and takes three AdamW steps;
the driver takes the same ones, whole, in 4 slices (towers without batch norm), with recomputed activations,
and, with --mpirun, shared by ranks. Required: max |difference| <= 1e-4 max |value| for each tensor.

Two kinds of tensors have no digits to compare: a gradient that is zero but for rounding (the keys' bias:
softmax does not see it), and the weight that AdamW moves by such a gradient, which divides noise by
noise. The first are compared with the largest gradient of all tensors; of the keys' bias the other two
thirds are compared.
"""
import argparse, json, os, struct, subprocess, sys, tempfile
import numpy as np

BOUND = 1e-4
STEPS, BATCH = 3, 8


def save(path, tensors):
    header, offset = {}, 0
    for name, t in tensors.items():
        kind = {"float32": "F32", "int64": "I64"}[t.dtype.name]
        header[name] = {"dtype": kind, "shape": list(t.shape), "data_offsets": [offset, offset + t.nbytes]}
        offset += t.nbytes
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(raw)) + raw)
        for t in tensors.values():
            f.write(np.ascontiguousarray(t).tobytes())


def load(path):
    raw = open(path, "rb").read()
    size = struct.unpack("<Q", raw[:8])[0]
    out = {}
    for name, t in json.loads(raw[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + o for o in t["data_offsets"])
            out[name] = np.frombuffer(raw[begin:end], np.float32).reshape(t["shape"])
    return out


def without_key_bias(name, t):
    """The keys' bias moves nothing: its gradient is rounding alone."""
    if name.endswith("in_proj_bias"):
        third = len(t) // 3
        return np.concatenate([t[:third], t[2 * third:]])
    return t


def compare(what, got, want):
    largest = {s: max(np.abs(v).max() for k, v in want.items() if k.startswith(f"grad.{s}.")) for s in range(STEPS)}
    worst = {}
    for name, w in want.items():
        if name in ("images", "tokens"):
            continue
        kind, step = name.split(".")[:2]
        if name.endswith("attnpool.k_proj.bias"):
            continue
        g, w = without_key_bias(name, got[name].reshape(w.shape)), without_key_bias(name, w)
        scale = np.abs(w).max()
        if kind == "grad":
            scale = max(scale, 1e-3 * largest[int(step)])
        ratio = float(np.abs(g - w).max() / max(scale, 1e-30))
        if ratio >= worst.get(kind, (-1, ""))[0]:
            worst[kind] = (ratio, name)
    for kind, (ratio, name) in worst.items():
        print(f"{what}: {kind}: max |difference| / max |value| = {ratio:.1e} ({name})")
    return all(ratio <= BOUND for ratio, _ in worst.values())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--oracle", required=True)
    p.add_argument("--driver", required=True)
    p.add_argument("--arch", nargs="+", required=True)
    p.add_argument("--mpirun", default="")
    args = p.parse_args()
    sound = True
    for arch in args.arch:
        with tempfile.TemporaryDirectory() as folder:
            at = lambda name: os.path.join(folder, name)
            subprocess.run([sys.executable, args.oracle, "make", "--arch", arch, "--seed", "7", "--layout", "open_clip",
                            "--out", at("model")], check=True, stdout=subprocess.DEVNULL)
            subprocess.run([sys.executable, args.oracle, "step", "--arch", arch, "--seed", "7", "--batch", str(BATCH),
                            "--steps", str(STEPS), "--out", at("want.npz")], check=True, stdout=subprocess.DEVNULL)
            want = dict(np.load(at("want.npz")))
            batches = {}
            for s in range(STEPS):
                batches[f"images.{s}"] = want["images"][s].astype(np.float32)
                batches[f"tokens.{s}"] = want["tokens"][s].astype(np.int64)
            save(at("batches"), batches)
            runs = [("whole", [], ["1"]), ("recomputed", [], ["1", "frugal"])]
            if "rn" not in arch:
                runs.append(("4 slices", [], ["4"]))
            if args.mpirun:
                runs.append((args.mpirun, args.mpirun.split(), ["1"]))
            for name, launcher, options in runs:
                subprocess.run([*launcher, args.driver, at("model"), at("batches"), at("got"), *options], check=True)
                sound &= compare(f"{arch}, {name}", load(at("got")), want)
    print("all within the bound" if sound else "NOT within the bound")
    sys.exit(not sound)


if __name__ == "__main__":
    main()

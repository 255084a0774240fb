#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Three steps of training against the PyTorch oracle: loss, every gradient, every weight.

  train_step.py --oracle clip_oracle.py --driver clip_train_step_driver --arch tiny-vit ... [--mpirun 'mpirun -n 2']

For every architecture the oracle makes a checkpoint and random batches, and takes three AdamW steps;
the driver takes the same ones: whole, in 4 slices (towers without batch norm), with recomputed activations
and, with --mpirun, shared by ranks. The oracle's own model takes them in double, too: then
max |difference| / max |value| of each tensor must be at most 1e-4 against the oracle's float32, or against
its double where float32 itself is further from the double than that; the oracle's own distance is printed.

What has no digits to compare: a gradient that is zero but for rounding (the keys' bias: softmax does
not see it) and the weight that AdamW moves by dividing that noise by itself. The keys' bias is left out.
ReLU has a kink: where rounding decides on which side a value lies, one channel's gradient jumps. --seed picks batches
without such a value; a jump would show as a difference of percents in one row of one tensor.
"""
import argparse, importlib.util, json, math, os, struct, subprocess, sys, tempfile
import numpy as np
import torch

BOUND = 1e-4
STEPS, BATCH = 3, 8
SEEDS = {"tiny-rn": 11}


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


def steps_in_double(oracle, arch, seed, images, tokens):
    """What the oracle's train_steps() does, with every number a double."""
    model = oracle.build(oracle.ARCHS[arch], seed).double().train()
    named = dict(model.named_parameters())
    groups = [{"params": [p for p in named.values() if p.ndim < 2], "weight_decay": 0.0},
              {"params": [p for p in named.values() if p.ndim >= 2], "weight_decay": 0.2}]
    optimizer = torch.optim.AdamW(groups, lr=5e-4, betas=(0.9, 0.98), eps=1e-6)
    out = {}
    for s in range(STEPS):
        optimizer.zero_grad()
        loss = oracle.clip_loss(model(torch.from_numpy(images[s]).double(), torch.from_numpy(tokens[s]))[0])
        loss.backward()
        out[f"loss.{s}"] = loss.detach().numpy()
        for name, p in named.items():
            out[f"grad.{s}.{name}"] = p.grad.numpy().copy()
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        for name, p in named.items():
            out[f"weight.{s}.{name}"] = p.detach().numpy().copy()
    return out


def without_key_bias(name, t):
    if name.endswith("in_proj_bias"):
        third = len(t) // 3
        return np.concatenate([t[:third], t[2 * third:]])
    return t


def distances(got, want):
    """max |difference| / max |value| of every tensor that has digits."""
    largest = {s: max(np.abs(v).max() for k, v in want.items() if k.startswith(f"grad.{s}.")) for s in range(STEPS)}
    out = {}
    for name, w in want.items():
        if name in ("images", "tokens") or name.endswith("attnpool.k_proj.bias"):
            continue
        kind, step = name.split(".")[:2]
        g, w = without_key_bias(name, got[name].reshape(w.shape)), without_key_bias(name, w)
        scale = np.abs(w).max()
        if kind == "grad":
            scale = max(scale, 1e-3 * largest[int(step)])
        out[name] = float(np.abs(g - w).max() / max(scale, 1e-30))
    return out


def worst(ratios):
    out = {}
    for name, ratio in ratios.items():
        kind = name.split(".")[0]
        out[kind] = max(out.get(kind, (-1.0, "")), (ratio, name))
    return ", ".join(f"{kind} {ratio:.1e} ({name})" for kind, (ratio, name) in out.items())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--oracle", required=True)
    p.add_argument("--driver", required=True)
    p.add_argument("--arch", nargs="+", required=True)
    p.add_argument("--seed", type=int)
    p.add_argument("--mpirun", default="")
    args = p.parse_args()
    spec = importlib.util.spec_from_file_location("clip_oracle", args.oracle)
    oracle = importlib.util.module_from_spec(spec)
    sys.modules["clip_oracle"] = oracle
    spec.loader.exec_module(oracle)
    sound = True
    for arch in args.arch:
        seed = args.seed if args.seed is not None else SEEDS.get(arch, 7)
        with tempfile.TemporaryDirectory() as folder:
            at = lambda name: os.path.join(folder, name)
            subprocess.run([sys.executable, args.oracle, "make", "--arch", arch, "--seed", str(seed), "--layout", "open_clip",
                            "--out", at("model")], check=True, stdout=subprocess.DEVNULL)
            subprocess.run([sys.executable, args.oracle, "step", "--arch", arch, "--seed", str(seed), "--batch", str(BATCH),
                            "--steps", str(STEPS), "--out", at("want.npz")], check=True, stdout=subprocess.DEVNULL)
            want = dict(np.load(at("want.npz")))
            exact = steps_in_double(oracle, arch, seed, want["images"], want["tokens"])
            own = distances(want, exact)
            print(f"{arch}, the oracle's float32 against its double: {worst(own)}")
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
                got = load(at("got"))
                near, far = distances(got, want), distances(got, exact)
                print(f"{arch}, {name}: {worst(near)}")
                for tensor, ratio in near.items():
                    if min(ratio, far[tensor]) > max(BOUND, 2 * own[tensor]):
                        print(f"{arch}, {name}: {tensor}: {ratio:.1e}, {far[tensor]:.1e} from the double: TOO FAR")
                        sound = False
    print("all within the bound" if sound else "NOT within the bound")
    sys.exit(not sound)


if __name__ == "__main__":
    main()

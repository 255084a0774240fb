#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One training run in several ways, and how far the weights are apart.

  same_run.py [--mpirun 'mpirun --oversubscribe'] --pictures FILE...

Twenty steps of a small ViT and of a small ResNet (batch norm), batch 32, from one seed: in one process; interrupted
in the middle of an epoch and resumed; with recomputed activations; with the batch in 4 slices (the ViT: batch norm
sees slices); shared by 2 and by 4 ranks. Printed: the largest difference of any weight, the largest by the largest
value of its tensor, and that of any step's loss. Resumed and recomputed runs must give the same bits; of the others
weights and losses must stay within 1e-5. (Biases begin at 0 and are small after 20 steps: relative to them
rounding looks larger than it is.) A ResNet's ReLUs have a kink: after some steps a value lies so close to 0 that the
order of a sum decides on which side, and from there on weights drift by parts of a step. Of its runs over ranks only
losses are therefore held to a bound, 1e-4; that one step's gradients are the same is tested by train_step.py.

AdamW divides a gradient by its own size, so that where a gradient is rounding alone (the keys' bias) its weight
is not compared.
"""
import argparse, json, os, subprocess, sys, tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import numpy as np

BOUND = 1e-5
ARCHS = {"ViT": "ViT-w128-l3-p8-i32-e64+w64-l2-c16", "ResNet": "RN-w16-l1.1.1.1-i64-e64+w64-l1-c16"}


def weights(run):
    raw = open(os.path.join(run, "model", "open_clip_model.safetensors"), "rb").read()
    size = int.from_bytes(raw[:8], "little")
    out = {}
    for name, t in json.loads(raw[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + o for o in t["data_offsets"])
        kind = {"F32": np.float32, "I64": np.int64}[t["dtype"]]
        out[name] = np.frombuffer(raw[begin:end], kind).reshape(t["shape"])
    return out


def losses(run):
    lines = (json.loads(line) for line in open(os.path.join(run, "log.jsonl")))
    return np.array([line["loss"] for line in lines if "loss" in line])


def apart(got, want):
    worst, most = (0.0, "none"), 0.0
    for name, w in want.items():
        g = got[name]
        if w.dtype != np.float32 or name.endswith("k_proj.bias"):
            continue
        if name.endswith("in_proj_bias"):
            third = len(w) // 3
            g, w = (np.concatenate([t[:third], t[2 * third:]]) for t in (g, w))
        difference = float(np.abs(g - w).max())
        most = max(most, difference)
        worst = max(worst, (difference / max(float(np.abs(w).max()), 1e-3), name))
    return most, *worst


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--mpirun", default="")
    p.add_argument("--pictures", nargs="+", required=True)
    args = p.parse_args()
    sound = True
    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: os.path.join(folder, name)
        with open(at("pairs.tsv"), "w") as f:
            f.write("path\ttext\n")
            for i in range(160):
                f.write(f"{os.path.abspath(args.pictures[i % len(args.pictures)])}\tpicture {i} of {'abcdefghijk'[i % 11]} {i * 7 % 160}\n")
        for arch, spelling in ARCHS.items():
            def train(name, *options, launcher=()):
                subprocess.run([*launcher, "clip-train", "--quiet", "-o", at(arch + name), "--arch", spelling, "--train-tokenizer",
                                "600", "--epochs", "4", "-b", "32", "--lr", "5e-4", "--warmup", "4", *options, at("pairs.tsv")], check=True)
            train("plain")
            want = weights(at(arch + "plain"))
            train("resumed", "--stop-after", "7")
            train("resumed", "--resume")
            train("recomputed", "--checkpoint-activations")
            others = ["resumed", "recomputed"]
            if arch == "ViT":
                train("4 slices", "--accumulate", "4")
                others.append("4 slices")
            for ranks in (2, 4) if args.mpirun else ():
                train(f"{ranks} ranks", launcher=[*args.mpirun.split(), "-n", str(ranks)])
                others.append(f"{ranks} ranks")
            for name in others:
                most, ratio, tensor = apart(weights(at(arch + name)), want)
                loss = np.abs(losses(at(arch + name)) - losses(at(arch + "plain"))).max()
                bound = 0.0 if name in ("resumed", "recomputed") else BOUND
                drifts = arch == "ResNet" and bound > 0
                good = (loss <= 1e-4 if drifts else max(most, loss) <= bound) and len(losses(at(arch + name))) == 20
                sound &= good
                print(f"{arch}, 20 steps, {name}: weights {most:.1e}, by the tensor's largest {ratio:.1e} ({tensor}), losses {loss:.1e}{'' if good else ': TOO FAR'}")
    sys.exit(not sound)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Embeddings of clip-embed against the PyTorch oracle, from the same picture files and texts.

  embeddings.py --oracle clip_oracle.py --arch tiny-vit RN50 ... [--pictures FILE ...] [--keep FOLDER]

For every architecture: makes a checkpoint with seeded random weights, embeds pictures and texts with
both, and requires max |difference| <= 2e-5 max |value|. clip-embed is taken from PATH; its output must
also be the same bytes for batch sizes 1, 2, 7 and 32 and for 1 and 2 threads.
"""
import argparse, json, os, subprocess, sys, tempfile
import numpy as np
from PIL import Image

BOUND = 2e-5
TEXTS = ["a photo of a dog", "a", "", "two cats on a red sofa, watching the rain", "MIXED Case & symbols: 1234!",
         "un \u00e9l\u00e9phant", "long " * 100]


def drawn_pictures(folder):
    """Pictures of several kinds and shapes, from seeded noise over smooth gradients."""
    rng, out = np.random.default_rng(5), []
    for name, (w, h), mode, options in [
            ("photo.jpg", (640, 427), "RGB", {"quality": 90}), ("progressive.jpg", (301, 577), "RGB", {"progressive": True}),
            ("grey.jpg", (333, 250), "L", {}), ("drawing.png", (225, 226), "RGB", {}), ("alpha.png", (511, 300), "RGBA", {}),
            ("palette.png", (260, 401), "P", {}), ("small.png", (31, 17), "RGB", {}), ("wide.png", (900, 40), "RGB", {})]:
        y, x = np.mgrid[0:h, 0:w]
        base = np.stack([x * 255 / w, y * 255 / h, 127 + 127 * np.sin(x / 17 + y / 29), 255 - x * 200 / w], -1)
        pixels = np.clip(base + rng.normal(0, 20, base.shape), 0, 255).astype(np.uint8)
        image = Image.fromarray(pixels, "RGBA")
        image = image if mode == "RGBA" else image.convert("RGB") if mode == "RGB" else image.convert("RGB").convert(mode)
        path = os.path.join(folder, name)
        image.save(path, **options)
        out.append(path)
    return out


def run(command, **kwargs):
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, **kwargs)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: status {done.returncode}")
    return done.stdout


def lines(raw):
    return [json.loads(line) for line in raw.splitlines()]


def compare(what, got, want):
    got, want = np.array(got), np.array(want)
    ratio = np.abs(got - want).max() / np.abs(want).max()
    print(f"{what}: {len(want)} vectors, max |difference| / max |value| = {ratio:.2e} (bound {BOUND:.0e})")
    return ratio <= BOUND


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--oracle", required=True)
    p.add_argument("--arch", nargs="+", required=True)
    p.add_argument("--pictures", nargs="*")
    p.add_argument("--keep", help="where checkpoints are kept and looked for")
    a = p.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as temp:
        pictures = a.pictures or drawn_pictures(temp)
        for arch in a.arch:
            folder = os.path.join(a.keep or temp, arch.replace("/", "-").replace("@", "-") + "-state")
            if not os.path.exists(os.path.join(folder, "model.pt")):
                run([sys.executable, a.oracle, "make", "--arch", arch, "--seed", "1", "--layout", "openai-state", "--out", folder])
            # A lone state dict does not say its activation; tiny-vit-gelu's is the other one.
            common = ["clip-embed", "-m", folder, "--no-normalize", "--quiet", "--activation",
                      "gelu" if arch.endswith("gelu") else "quick-gelu"]
            want = lines(run([sys.executable, a.oracle, "embed", "--arch", arch, "--seed", "1", "--image", *pictures,
                              "--text", *TEXTS]))
            vectors = lambda records: [r["embedding"] for r in records]
            image_bytes = run([*common, *pictures])
            good &= compare(f"{arch} pictures", vectors(lines(image_bytes)), vectors(want[:len(pictures)]))
            text_bytes = run([*common, "--text", "--", *TEXTS], stderr=subprocess.DEVNULL)
            good &= compare(f"{arch} texts", vectors(lines(text_bytes)), vectors(want[len(pictures):]))
            same = True
            for batch in ("1", "2", "7", "32"):
                for threads in ("1", "2"):
                    knobs = ["-b", batch, "-j", threads]
                    same &= run([*common, *knobs, *pictures]) == image_bytes
                    same &= run([*common, *knobs, "--text", "--", *TEXTS], stderr=subprocess.DEVNULL) == text_bytes
            print(f"{arch}: batch sizes 1, 2, 7, 32 and threads 1, 2: {'the same bytes' if same else 'DIFFERENT BYTES'}")
            good &= same
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What clip-train writes, opened by open_clip's own loader: names, shapes, configuration, vectors, pixels.

  trained.py --pictures FILE...

Trains a tiny ViT, one with exact GELU from a checkpoint, and a tiny ResNet for some steps, with vocabularies of
their own, and opens RUN/model with open_clip.create_model_from_pretrained("local-dir:..."), which refuses weights
that are missing or too many. Needs what converted.py needs for open_clip.
"""
import argparse, os, subprocess, sys, tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import converted


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--pictures", nargs="+", required=True)
    p.add_argument("--gelu", help="a checkpoint with exact GELU, to begin with")
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        at = lambda name: os.path.join(scratch, name)
        with open(at("pairs.tsv"), "w") as f:
            f.write("path\ttext\n")
            for i in range(24):
                f.write(f"{os.path.abspath(args.pictures[i % len(args.pictures)])}\ta photo of a dog, number {i}\n")
        runs = {"vit": ["--arch", "ViT-w128-l2-p8-i32-e64+w64-l2-c16", "--train-tokenizer", "600"],
                "resnet": ["--arch", "RN-w16-l1.2.1.1-i64-e64+w64-l1-c16", "--train-tokenizer", "600"]}
        if args.gelu:
            runs["gelu"] = ["--init", args.gelu, "--tokenizer", os.path.dirname(args.gelu.rstrip("/")) + "/micro-vit-hf"]
        for name, options in runs.items():
            before = converted.failures
            subprocess.run(["clip-train", "--quiet", "-o", at(name), "--epochs", "3", "-b", "8", "--lr", "1e-3", *options,
                            at("pairs.tsv")], check=True)
            converted.with_open_clip(at(name) + "/model", at(name) + "/model", args.pictures, scratch)
            print(f"{name}: {'as open_clip computes it' if converted.failures == before else 'DIFFERS'}")
    sys.exit(converted.failures > 0)


if __name__ == "__main__":
    main()

#!/bin/sh
# SPDX-License-Identifier: MIT
# One model, every layout that the PyTorch oracle and PyTorch itself can write, one digest.
#
#   ORACLE=clip_oracle.py PYTHON=python3 tests/parity/checkpoints.sh BUILD
#
# Twice for each architecture: with float32 weights (OpenAI's TorchScript layout apart, which has
# halves), and with values rounded through float16 and stored as float16, as float32 or as a
# mixture. `clip-model check` then reads every byte.
set -eu
build=$(CDPATH='' cd -- "$1" && pwd)
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"${PYTHON:-python3}" -W ignore - "$ORACLE" "$here/../golden/make_checkpoints.py" "$scratch" 2>/dev/null <<'PYTHON_END'
import importlib.util, os, sys

sys.dont_write_bytecode = True
import torch


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


oracle_path, golden_path, scratch = sys.argv[1:]
exact = load("exact_oracle", oracle_path)
golden = load("make_checkpoints", golden_path)
rounded = golden.load_oracle(oracle_path)


def older(oracle, name, out):
    """What torch.save wrote before PyTorch 1.6."""
    os.makedirs(out)
    torch.save(oracle.build(oracle.ARCHS[name], 7).state_dict(), os.path.join(out, "model.pt"),
               _use_new_zipfile_serialization=False)


for name in ("tiny-vit", "tiny-vit-gelu", "tiny-rn"):
    layouts = ["openai-state", "open_clip", "open_clip-train"] + ["hf"] * (name != "tiny-rn")
    for layout in layouts:
        exact.make(name, 7, layout, f"{scratch}/{name}.float32/{layout}")
        for dtype in ("float32", "float16"):
            rounded.make(name, 7, layout, f"{scratch}/{name}.rounded/{layout}-{dtype}", dtype)
    older(exact, name, f"{scratch}/{name}.float32/older")
    older(rounded, name, f"{scratch}/{name}.rounded/older")
    # Nothing in TorchScript tells heads of another width than 64, or GELU: only the digest is compared.
    rounded.make(name, 7, "openai-jit", f"{scratch}/{name}.rounded/openai-jit")
    if name != "tiny-rn":
        for layout in ("hf-bin", "hf-sharded"):
            golden.write_layout(rounded, name, layout, f"{scratch}/{name}.rounded/{layout}")
PYTHON_END

status=0
for group in "$scratch"/*; do
    count=0 first=
    for checkpoint in "$group"/*; do
        id=$("$build/cmd/clip-model" info -f json -- "$checkpoint" 2>/dev/null |
            sed -n 's/.*"model":"[^"]*@\([0-9a-f]*\)".*/\1/p')
        first=${first:-$id}
        count=$((count + 1))
        if [ -z "$id" ] || [ "$id" != "$first" ]; then
            echo "$(basename "$group"): $(basename "$checkpoint"): digest '$id', want '$first'"
            status=1
        fi
        "$build/cmd/clip-model" check -- "$checkpoint" >/dev/null 2>&1 || {
            echo "$(basename "$group"): $(basename "$checkpoint"): clip-model check finds it unsound"
            status=1
        }
    done
    echo "$(basename "$group"): $count checkpoints, digest $first"
    [ "$count" -ge 4 ] || status=1
done
exit $status

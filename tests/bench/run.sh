#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make bench` prints: JSON lines, one a measurement. Machines are noisy: trust ratios within a
# run. What needs more than the build says why it is skipped.
#
#   tests/bench/run.sh BUILD
#
# ORACLE  the PyTorch oracle that makes a full-size ViT-B/32 (default ../shared/oracle/clip_oracle.py)
# PYTHON  a python3 with torch (default /usr/bin/python3)
# ORT_PYTHON  a python3 with onnxruntime and numpy (default the same)
# TORCH_PYTHON  a python3 with torch 2 from PyPI (default the same); Debian's has no fast BLAS
# FAISS_PYTHON  a python3 with faiss and numpy (default the same)
# MODELS  where the checkpoint and the ONNX file are kept (default BUILD/models)
set -eu
build=$(CDPATH='' cd -- "$1" && pwd)
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
ORACLE=${ORACLE:-$root/../shared/oracle/clip_oracle.py}
PYTHON=${PYTHON:-/usr/bin/python3}
ORT_PYTHON=${ORT_PYTHON:-$PYTHON}
TORCH_PYTHON=${TORCH_PYTHON:-$PYTHON}
MODELS=${MODELS:-$build/models}
CLIP_VOCAB=${CLIP_VOCAB:-$(dirname "$ORACLE")/../vocab/bpe_simple_vocab_16e6.txt.gz}
export CLIP_VOCAB
bench=$build/tests/bench
FAISS_PYTHON=${FAISS_PYTHON:-$PYTHON}

skip() {
    echo "bench: $1: skipped: $2" >&2
}

"$bench/kernel_bench" --perf --threads 1
for threads in 1 2; do
    "$bench/backward_bench" --threads $threads
    if "$PYTHON" -c 'import torch' 2>/dev/null; then
        "$PYTHON" "$root/tests/bench/torch_backward.py" $threads
    else
        skip "backward passes in PyTorch" "no torch in $PYTHON"
    fi
done
"$bench/screen_bench"

# Whole steps of training beside PyTorch, in turn, and the memory of a large one.
step="ViT-w192-l12-p8-i64-e128+w128-l12-c77 --batch 128 --tokens 16"
large="--image 224 --patch 32 --width 768 --embed 512 --text-width 512 --vocab 49408 --tokens 77 --batch 256"
torch_train() {
    if "$TORCH_PYTHON" -c 'import torch; assert int(torch.__version__.split(".")[0]) >= 2' 2>/dev/null; then
        "$TORCH_PYTHON" "$root/tests/bench/torch_train.py" "$@"
    else
        skip "steps of training in PyTorch" "no torch 2 in $TORCH_PYTHON"
    fi
}
# shellcheck disable=SC2086 # lists of options are meant
for _ in 1 2 3; do
    "$bench/train_bench" $step
    torch_train
done
# shellcheck disable=SC2086
"$bench/train_bench" ViT-B-32 --batch 256 --tokens 77 --vocab 49408 --steps 1 --checkpoint
# shellcheck disable=SC2086
torch_train --checkpoint --steps 1 $large

# A million vectors: one query, a thousand, and all pairs of 200,000; 6 GB of files for a while.
if "$PYTHON" -c 'import h5py, numpy' 2>/dev/null && command -v /usr/bin/time >/dev/null; then
    "$PYTHON" "$root/tests/bench/search.py" "$build" --faiss-python "$FAISS_PYTHON"
    rm -rf "$build/bench-search"
else
    skip "search" "no h5py and numpy in $PYTHON, or no /usr/bin/time"
fi

if [ ! -f "$ORACLE" ] || ! "$PYTHON" -c 'import torch' 2>/dev/null; then
    skip "whole towers" "no oracle at $ORACLE, or no torch in $PYTHON, to make a full-size checkpoint"
    exit 0
fi
model=$MODELS/vit-b-32
[ -d "$model" ] ||
    "$PYTHON" "$ORACLE" make --arch ViT-B/32 --seed 1 --layout open_clip --out "$model" >&2

# Text costs what its tokens cost: 5 words, 20, and the longest.
for tokens in 7 22 77; do
    "$bench/tower_bench" "$model" --threads 2 --text "$tokens" --count 256 --batch 256
done

# Pictures in memory, beside ONNX Runtime, in turn.
onnx=$MODELS/vit-b-32.onnx
if "$ORT_PYTHON" -c 'import onnxruntime, numpy' 2>/dev/null; then
    [ -f "$onnx" ] || "$PYTHON" "$root/tests/bench/onnxruntime_vit.py" export --oracle "$ORACLE" --out "$onnx" >&2
else
    skip "ONNX Runtime" "no onnxruntime in $ORT_PYTHON"
fi
for threads in 1 2; do
    for batch in 1 16 64; do
        for _ in 1 2; do
            "$bench/tower_bench" "$model" --threads $threads --batch $batch --repeat 3
            [ ! -f "$onnx" ] ||
                "$ORT_PYTHON" "$root/tests/bench/onnxruntime_vit.py" run "$onnx" --threads $threads \
                    --batch $batch --repeat 3
        done
    done
done

# One picture, ten labels, from the shell: wall time and peak memory of the whole process.
picture=$root/tests/tools/pictures/disc/blue.jpg
if command -v /usr/bin/time >/dev/null; then
    for _ in 1 2 3 4 5; do
        /usr/bin/time -f '{"what":"clip-classify, one picture, 10 labels","seconds":%e,"max_rss_kb":%M}' \
            "$build/cmd/clip-classify" -m "$model" \
            -l dog,cat,castle,bridge,tiger,insect,fruit,house,tree,car "${PICTURE:-$picture}" \
            2>&1 >/dev/null
    done
else
    skip "clip-classify" "no /usr/bin/time"
fi

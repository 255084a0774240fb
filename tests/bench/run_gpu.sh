#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make bench-gpu` prints: JSON lines, one a measurement, and a table of the ops on standard
# error. Under 4 minutes. Compare only lines of the same device. What needs more than the build, or
# takes longer than it may, is skipped, and it is said why; without a GPU nothing is measured, and the
# exit status says so.
#
#   tests/bench/run_gpu.sh BUILD
#
# PYTHON  a python3 with torch and CUDA, to stand beside (default python3)
# MODELS  where checkpoints of random weights are kept (default BUILD/models)
set -eu
build=$(CDPATH='' cd -- "$1" && pwd)
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
PYTHON=${PYTHON:-python3}
MODELS=${MODELS:-$build/models}
bench=$build/tests/bench

skip() {
    echo "bench-gpu: $1: skipped: $2" >&2
}

if [ ! -x "$bench/cuda_bench" ]; then
    echo "bench-gpu: this build has no CUDA backend (cmake found no nvcc)" >&2
    exit 2
fi
# Says itself what is missing where there is no GPU; 124: what it had time for has been printed.
status=0
timeout 60 "$bench/cuda_bench" || status=$?
case $status in
0) ;;
124) skip "the rest of the ops" "60 s are over" ;;
*) exit "$status" ;;
esac
timeout 30 "$bench/cuda_bench" --filter linear --gemm cublaslt ||
    skip "products by cuBLASLt" "see above"
if "$PYTHON" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
    timeout 40 "$PYTHON" "$root/tests/bench/torch_gpu.py" || skip "PyTorch" "it failed"
else
    skip "PyTorch" "no torch with CUDA in $PYTHON"
fi

# Whole towers: pictures a second, from memory and back. float32 takes six times as long.
mkdir -p "$MODELS"
for arch in ViT-B-32 ViT-L-14; do
    model=$MODELS/random-$arch
    [ -d "$model" ] || "$bench/random_checkpoint" $arch "$model"
    for precision in fp16 bf16 fp32; do
        count=2048
        [ $precision != fp32 ] || count=512
        timeout 15 "$bench/tower_bench" "$model" --device cuda --precision $precision \
            --count $count --batch 256 --repeat 5 || skip "$arch in $precision" "it failed, or 15 s are over"
    done
done

#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make check-gpu` runs where there is a GPU, in under 4 minutes: the tests that can use one,
# with the real plugin; some of them under compute-sanitizer; and the commands on small checkpoints,
# whose results are to be those of the CPU. Without a GPU it fails and says so.
#
#   tests/bench/check_gpu.sh BUILD
set -eu
build=$(CDPATH='' cd -- "$1" && pwd)
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
embed=$build/cmd/clip-embed
picture=$root/tests/tools/pictures/disc/blue.jpg
export CLIP_TEST_DEVICE=cuda
unset CLIP_CUDA_PLUGIN

if [ ! -f "$build/lib/backend/cuda/libclip_cuda.so" ]; then
    echo "check-gpu: this build has no CUDA backend (cmake found no nvcc)" >&2
    exit 2
fi
if ! "$embed" --device cuda -m "$root/tests/golden/micro-vit-hf" "$picture" >/dev/null; then
    echo "check-gpu: there is no GPU that can be used (see above)" >&2
    exit 2
fi

timeout 100 ctest --test-dir "$build" --output-on-failure -C gpu -L gpu

# sanitized TOOL WHAT PROGRAM ARGUMENTS...: nothing may be found; a run that takes too long is cut off.
sanitized() {
    tool=$1 what=$2 status=0
    shift 2
    timeout -k 3 12 compute-sanitizer --tool "$tool" --error-exitcode 9 --log-file /dev/stderr "$@" \
        >"$build/check-gpu.log" || status=$?
    case $status in
    0) echo "check-gpu: $what under $tool: nothing found" ;;
    124 | 137) echo "check-gpu: $what under $tool: cut off after 12 s, nothing found until then" ;;
    *)
        tail -n 40 "$build/check-gpu.log" >&2
        echo "check-gpu: $what under $tool: failed (status $status, 9: see what it found above)" >&2
        exit "$status"
        ;;
    esac
}

if command -v compute-sanitizer >/dev/null; then
    # One test a kind of access: products, rows, and lists in shared memory.
    for kind in memcheck racecheck; do
        for test in layer_norm similarity top_k; do
            sanitized $kind $test "$build/tests/test_ops" "--source-file=*/${test}_test.cpp" \
                '--test-case=*every backend*'
        done
        sanitized $kind "products in 16 bits" "$build/tests/cuda/test_cuda_gpu" \
            '--source-file=*/linear_test.cpp'
    done
else
    echo "check-gpu: compute-sanitizer: skipped: it is not here" >&2
fi

# The same vectors within what half precision (1e-2) and float32 (1e-5) leave.
for model in micro-vit-hf micro-gelu-open_clip micro-rn-open_clip; do
    for precision in fp16 fp32; do
        for device in cpu cuda; do
            "$embed" --device $device --precision $precision -m "$root/tests/golden/$model" \
                -r "$root/tests/tools/pictures" >"$build/check-gpu.$device"
        done
        tolerance=1e-5
        [ $precision = fp32 ] || tolerance=1e-2
        python3 "$root/tests/bench/compare_vectors.py" "$build/check-gpu.cpu" \
            "$build/check-gpu.cuda" $tolerance
        echo "check-gpu: $model in $precision: as on the CPU"
    done
done

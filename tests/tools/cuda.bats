# SPDX-License-Identifier: MIT
# GPUs that are not there, and one that is emulated: CLIP_CUDA_PLUGIN takes the plugin's place, and
# CLIP_EMULATED_CUDA says what the machine is like.
load setup.bash

emulated() {
    : "${CLIP_EMULATED_PLUGIN:?the emulated plugin}"
    export CLIP_CUDA_PLUGIN=$CLIP_EMULATED_PLUGIN CLIP_EMULATED_CUDA=$1
}

# refused MACHINE DEVICE WORDS: the run on DEVICE of that machine ends at once, and says so.
refused() {
    emulated "$1"
    expect_status 2 clip-embed --text --device "$2" <<<"a cat"
    [ ! -s out ]
    grep -qF "$3" err || {
        cat err
        return 1
    }
    [ "$(wc -l <err)" = 1 ]
}

@test "cuda: what is missing is named" {
    refused driver=none cuda "use cuda:0: there is no NVIDIA driver on this machine"
    refused driver=old cuda "the NVIDIA driver is too old (it knows CUDA 11.4, want 13.0 or newer)"
    refused devices=0 cuda "use cuda:0: the NVIDIA driver sees no GPU"
    refused devices=2 cuda:7 "use cuda:7: there is no such GPU (there are 2, numbered from 0)"
    refused capability=70 cuda "it has compute capability 7.0, want 8.0 or newer"
    refused gpus=1 cuda "bad word (got gpus=1"
}

@test "cuda: a plugin that is not there, or is another library, is named" {
    export CLIP_CUDA_PLUGIN=$PWD/nowhere.so
    expect_status 2 clip-embed --text --device cuda <<<"a cat"
    grep -qF "$CLIP_CUDA_PLUGIN cannot be loaded (not found)" err
    echo "no library" >nowhere.so
    expect_status 2 clip-embed --text --device cuda <<<"a cat"
    grep -qF "$CLIP_CUDA_PLUGIN cannot be loaded" err
}

@test "cuda: auto passes over a GPU that cannot be used, and vectors need none" {
    emulated driver=none
    expect_status 0 clip-embed --text --device auto <<<"a cat"
    grep -q embedding out
    clip-embed --text --device cpu -o vectors.h5 <<<"a cat"
    expect_status 0 clip-rank --device auto --queries vectors.h5 vectors.h5
}

@test "cuda: settings that make no sense are refused" {
    CLIP_CUDA_GEMM=fast expect_status 2 clip-embed --text --device cpu <<<"a cat"
    grep -qF "read CLIP_CUDA_GEMM: got 'fast', want own or cublaslt" err
    CLIP_CUDA_TF32=yes expect_status 2 clip-embed --text --device cpu <<<"a cat"
    grep -qF "read CLIP_CUDA_TF32: got 'yes', want 0 or 1" err
    emulated devices=1
    expect_status 2 clip-embed --text --device cuda --precision int8 <<<"a cat"
    grep -qF -- "--precision int8: not on cuda:0 (want fp16, bf16 or fp32)" err
}

@test "cuda: weights that find no room end the run, whatever the batch" {
    emulated memory=1K
    expect_status 2 clip-embed --text --device cuda <<<"a cat"
    grep -qE "cuda: allocate device memory: no room for [0-9]+ bytes" err
}

@test "cuda: --version knows of the backend without a driver" {
    expect_status 0 clip-embed --version
    grep -q "^backend: cuda" out
}

texts() {
    local number
    for number in $(seq 300); do
        echo "a cat $number"
    done >texts.txt
}

@test "cuda: where a batch finds no room, smaller ones give the same bytes, and it is said once" {
    texts
    emulated memory=1G
    expect_status 0 clip-embed --text --device cuda <texts.txt
    [ ! -s err ] && [ "$(wc -l <out)" = 300 ]
    mv out whole
    local memory told=0
    for memory in 20 17 15 14 13 12; do # MiB; which of them is too small depends on the kernels
        emulated "memory=${memory}M"
        expect_status 0 clip-embed --text --device cuda <texts.txt
        cmp out whole
        [ "$(wc -l <err)" -le 1 ]
        if grep -qE "warning: cuda:0 has no room for 300 texts at once: going on with [0-9]+ at" err; then
            told=$((told + 1))
        fi
    done
    [ $told -gt 0 ]
}

@test "cuda: a kernel that fails ends the run, what is finished is kept, and --resume goes on" {
    texts
    emulated devices=1
    clip-embed --text --device cuda --batch-size 50 -o whole.jsonl <texts.txt
    local fault
    for fault in fault_launch fail_launch; do
        rm -f cut.jsonl*
        emulated $fault=50
        expect_status 2 clip-embed --text --device cuda --batch-size 50 -o cut.jsonl <texts.txt
        grep -qE "cuda: .*(cudaErrorIllegalAddress|too many resources)" err
        [ ! -e cut.jsonl ] && [ -s cut.jsonl.part ]
        emulated devices=1
        expect_status 0 clip-embed --text --device cuda --batch-size 50 -o cut.jsonl --resume <texts.txt
        cmp cut.jsonl whole.jsonl
    done
}

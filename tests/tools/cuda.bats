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

# The least cosine between the vectors of two files of JSON lines with equally many, as a number.
least_cosine() {
    jq -n --slurpfile a "$1" --slurpfile b "$2" '
        def dot(x; y): reduce range(x | length) as $i (0; . + x[$i] * y[$i]);
        [range($a | length) | $a[.].embedding as $x | $b[.].embedding as $y
         | dot($x; $y) / ((dot($x; $x) * dot($y; $y)) | sqrt)] | min'
}

# at_least FLOOR ARGUMENTS...: clip-embed gives the same items on the emulated GPU, each vector with at least
# this cosine to the CPU's in fp32. Standard input is what clip-embed reads.
at_least() {
    local floor=$1 cosine
    shift
    cat >items
    CLIP_CUDA_PLUGIN='' clip-embed --device cpu --precision fp32 "${@:2}" <items >cpu
    clip-embed --device cuda --precision "$1" "${@:2}" <items >gpu
    [ "$(wc -l <cpu)" -gt 1 ] && [ "$(wc -l <cpu)" = "$(wc -l <gpu)" ]
    cosine=$(least_cosine cpu gpu)
    jq -en --argjson got "$cosine" --argjson floor "$floor" '$got >= $floor' >/dev/null || {
        echo "$*: $cosine"
        return 1
    }
}

@test "cuda: pictures and texts get the CPU's vectors, in every precision, from both kinds of tower" {
    pictures
    local capability model
    for capability in 80 90; do
        emulated "capability=$capability"
        for model in micro-vit-open_clip micro-gelu-open_clip micro-rn-open_clip; do
            at_least 0.999999 fp32 -m "$CLIP_GOLDEN/$model" < <(ls pictures/*)
            at_least 0.9999 fp16 -m "$CLIP_GOLDEN/$model" < <(ls pictures/*)
            at_least 0.9999 bf16 -m "$CLIP_GOLDEN/$model" < <(ls pictures/*)
        done
        at_least 0.999999 fp32 --text < <(printf '%s\n' a 'a cat' 'a photo of a dog')
        at_least 0.9999 fp16 --text < <(printf '%s\n' a 'a cat' 'a photo of a dog')
        at_least 0.9999 bf16 --text < <(printf '%s\n' a 'a cat' 'a photo of a dog')
    done
}

@test "cuda: the same bytes whatever the batch" {
    pictures
    emulated devices=1
    local model
    for model in micro-vit-open_clip micro-rn-open_clip; do
        clip-embed -m "$CLIP_GOLDEN/$model" --device cuda --batch-size 1 pictures/* >one
        clip-embed -m "$CLIP_GOLDEN/$model" --device cuda --batch-size 5 pictures/* >five
        cmp one five
    done
}

@test "cuda: pictures of all kinds go together, and broken ones among them shift nothing" {
    pictures # of every mode and many sizes
    emulated devices=1
    local model=$CLIP_GOLDEN/micro-vit-open_clip batch
    clip-embed -m "$model" --device cuda pictures/* >good
    head -c 100 pictures/p01.png >pictures/p07b.png
    : >pictures/p00.png
    for batch in 1 3 100; do
        expect_status 1 clip-embed -m "$model" --device cuda --batch-size $batch pictures/*
        cmp out good
        grep -q "2 of [0-9]* inputs failed" err
    done
}

@test "cuda: clip-classify and clip-rank name what the CPU names" {
    pictures
    emulated devices=1
    local device
    for device in cpu cuda; do
        clip-classify --device $device --precision fp32 --label red --label green pictures/* |
            jq -c '[.path, .label]' >classes.$device
        clip-rank --device $device --precision fp32 -q red -k 3 pictures/* |
            jq -c '[.path, (.score * 1000 | round)]' >ranks.$device
    done
    [ -s classes.cpu ] && cmp classes.cpu classes.cuda
    [ -s ranks.cpu ] && cmp ranks.cpu ranks.cuda
}

@test "cuda: a step of training has the CPU's loss within 1e-3, in every precision" {
    pictures
    printf 'path\ttext\n' >pairs.tsv
    local number=0 file precision arch
    for file in pictures/*; do
        number=$((number + 1))
        printf '%s\tpicture number %d\n' "$file" $number >>pairs.tsv
    done
    for arch in ViT-w64-l1-p8-i32+w64-l1-c16; do
        local run=(--quiet --arch $arch --tokenizer "$CLIP_GOLDEN/micro-vit-hf" --stop-after 1 -b 8 --seed 3)
        clip-train "${run[@]}" --device cpu -o cpu.$arch pairs.tsv
        emulated devices=1
        for precision in fp32 bf16 fp16; do
            clip-train "${run[@]}" --device cuda --precision $precision -o $precision.$arch pairs.tsv
            jq -es '(.[0].loss - .[1].loss | fabs) < 1e-3 and .[0].loss > 1
                and (.[0].grad_norm / .[1].grad_norm - 1 | fabs) < 1e-2' \
                cpu.$arch/log.jsonl $precision.$arch/log.jsonl
        done
    done
}

@test "cuda: --resume mixes no rows of the CPU, of a GPU and of TF32" {
    printf '%s\n' 'a cat' 'a dog' >two.txt
    emulated devices=1
    clip-embed --text --device cpu -o rows.jsonl <<<"a cat"
    expect_status 2 clip-embed --text --device cuda -o rows.jsonl --resume <two.txt
    grep -qF "it does not record how its rows were made" err
    clip-embed --text --device cuda --precision fp32 -o rows.h5 <<<"a cat"
    expect_status 2 clip-embed --text --device cpu -o rows.h5 --resume <two.txt
    grep -qF "device=cuda" err
    CLIP_CUDA_TF32=1 expect_status 2 clip-embed --text --device cuda --precision fp32 -o rows.h5 --resume <two.txt
    grep -qF "products=tf32" err
    expect_status 0 clip-embed --text --device cuda --precision fp32 -o rows.h5 --resume <two.txt
}

@test "cuda: auto takes the CPU for int8" {
    emulated devices=1
    expect_status 0 clip-embed --text --device auto --precision int8 <<<"a cat"
}

# Twelve steps on pairs.tsv, with a state each fourth.
small_run() {
    pictures
    printf 'path\ttext\n' >pairs.tsv
    local file number=0
    for file in pictures/*; do
        number=$((number + 1))
        printf '%s\tpicture number %d\n' "$file" $number >>pairs.tsv
    done
    tiny=(--quiet --arch ViT-w64-l1-p8-i32+w64-l1-c16 --tokenizer "$CLIP_GOLDEN/micro-vit-hf" -b 4 --epochs 4
        --save-every 2 --seed 3)
}

# kept WORDS ARGUMENTS...: clip-train --resume of "run" is refused with these words, and the state stays.
kept() {
    local words=$1 before
    shift
    before=$(sha256sum <run/state)
    expect_status 2 clip-train "${tiny[@]}" --resume -o run "$@" pairs.tsv
    [ "$(wc -l <err)" = 1 ]
    grep -qF -- "$words" err || {
        cat err
        return 1
    }
    [ "$(sha256sum <run/state)" = "$before" ]
}

@test "cuda: a run goes on only with the device, the precision and the TF32 that it began with" {
    small_run
    emulated devices=1
    clip-train "${tiny[@]}" --device cpu --stop-after 2 -o run pairs.tsv
    kept "--device was 'cpu' when it began and is 'cuda' now; give it as it was" --device cuda
    clip-train "${tiny[@]}" --device cpu --resume --stop-after 1 -o run pairs.tsv
    rm -r run
    clip-train "${tiny[@]}" --device cuda --stop-after 2 -o run pairs.tsv
    kept "--device was 'cuda' when it began and is 'cpu' now" --device cpu
    kept "--precision was 'fp16' when it began and is 'fp32' now" --device cuda --precision fp32
    kept "--precision was 'fp16' when it began and is 'bf16' now" --device cuda --precision bf16
    CLIP_CUDA_TF32=1 kept "CLIP_CUDA_TF32 was '0' when it began and is '1' now" --device cuda
    clip-train "${tiny[@]}" --device cuda --precision fp16 --resume --stop-after 1 -o run pairs.tsv
    [ "$(jq -s length run/log.jsonl)" = 3 ]
}

@test "cuda: a training step that fails says what is kept, and --resume goes on to the same weights" {
    small_run
    emulated devices=1
    clip-train "${tiny[@]}" --device cuda --stop-after 4 -o whole pairs.tsv
    local launch steps=0
    for launch in 100 200 400 800 1600; do # which step that is in depends on the kernels
        rm -rf run
        emulated fault_launch=$launch
        clip-train "${tiny[@]}" --device cuda --stop-after 4 -o run pairs.tsv 2>err && break
        [ "$(wc -l <err)" = 1 ]
        if [ -e run/state ]; then
            steps=$((steps + 1))
            grep -qE "cudaErrorIllegalAddress.*; the state of step 2 is kept; the same command with --resume goes on from there$" err
            emulated devices=1
            clip-train "${tiny[@]}" --device cuda --resume --stop-after 2 -o run pairs.tsv
            cmp run/state whole/state
            break
        fi
        grep -q -- --resume err && return 1
    done
    [ $steps -gt 0 ]
}

@test "cuda: a run that cannot begin leaves no folder, and one that finds no room says what needs less" {
    small_run
    emulated memory=1K
    expect_status 2 clip-train "${tiny[@]}" --device cuda -o run pairs.tsv
    [ ! -e run ]
    mkdir run
    expect_status 2 clip-train "${tiny[@]}" --device cuda -o run pairs.tsv
    [ -d run ]
    local memory told=0
    for memory in $(seq 4 2 40); do # MiB; where the weights have room and a step has not
        emulated "memory=${memory}M"
        clip-train "${tiny[@]}" -b 12 --epochs 1 --device cuda -o run pairs.tsv 2>err && break
        grep -q "no room for" err
        if grep -qF "hint: fewer rows at a time need less: --accumulate" err; then
            told=$((told + 1))
            break
        fi
    done
    [ $told -gt 0 ]
}

@test "cuda: the objectives that predict captions have the CPU's losses within 1e-3, in training and validation" {
    small_run
    head -n 6 pairs.tsv >few.tsv
    emulated devices=1
    local objective precision run
    for objective in bag-of-words caption; do
        run=("${tiny[@]}" --epochs 1 --objective $objective --val few.tsv)
        clip-train "${run[@]}" --device cpu -o cpu.$objective pairs.tsv
        for precision in fp32 bf16 fp16; do
            clip-train "${run[@]}" --device cuda --precision $precision -o $precision.$objective pairs.tsv
            jq -es --slurpfile cpu cpu.$objective/log.jsonl 'length == 6 and length == ($cpu | length)
                and ([., $cpu] | transpose | all(map(.loss // .val_loss) | (.[0] - .[1] | fabs) < 1e-3 and .[0] > 1))' \
                $precision.$objective/log.jsonl
        done
        expect_status 0 clip-embed -m fp16.$objective/model --device cpu pictures/*
    done
    # What goes on is what was interrupted.
    run=("${tiny[@]}" --objective caption --device cuda)
    clip-train "${run[@]}" --stop-after 4 -o whole pairs.tsv
    clip-train "${run[@]}" --stop-after 2 -o halves pairs.tsv
    clip-train "${run[@]}" --resume --stop-after 2 -o halves pairs.tsv
    cmp whole/state halves/state
}

@test "cuda: precisions that only a GPU has are refused where auto takes the CPU" {
    small_run
    emulated driver=none
    expect_status 2 clip-train "${tiny[@]}" --device auto --precision bf16 -o other pairs.tsv
    grep -qF -- "--precision: training on the CPU computes in fp32 (got bf16)" err
    [ ! -e other ]
}

@test "cuda: --dry-run says whose memory it plans" {
    small_run
    export CLIP_CUDA_PLUGIN=nowhere # none has to be there
    expect_status 0 clip-train "${tiny[@]}" --device cuda --dry-run pairs.tsv
    grep -qE '^memory +[0-9.]+ [KMG]iB, on the GPU$' out
    grep -qE '^  activations +[0-9.]+ [KMG]iB, fp16 inside of blocks$' out
    grep -qE '^host memory +[0-9.]+ [KMG]?i?B$' out
    local precision
    for precision in fp32 bf16; do
        clip-train "${tiny[@]}" --device cuda --precision $precision --dry-run -f json pairs.tsv >$precision
        jq -e '.device == "cuda" and .host_bytes.inputs > 0
            and .bytes.total == (.bytes | del(.total) | add)' $precision
    done
    # Half of what a block keeps is most of what there is.
    jq -es '.[1].bytes.activations < 0.7 * .[0].bytes.activations
        and .[1].bytes.packed_weights * 2 == .[0].bytes.packed_weights' fp32 bf16
    clip-train "${tiny[@]}" --device cpu --dry-run -f json pairs.tsv >cpu
    jq -e '.device == "cpu" and .host_bytes == null
        and .bytes.total == (.bytes | del(.total) | add)' cpu
    expect_status 0 clip-train "${tiny[@]}" --device cpu --dry-run pairs.tsv
    if grep -q GPU out; then return 1; fi
    # auto is the GPU that can be used, or none.
    clip-train "${tiny[@]}" --device auto --dry-run -f json pairs.tsv >auto
    jq -e '.device == "cpu"' auto
}

@test "cuda: a process of several takes the GPU of its number" {
    small_run
    emulated devices=2
    OMPI_COMM_WORLD_LOCAL_RANK=1 expect_status 0 clip-train "${tiny[@]}" --device cuda --stop-after 1 -o run pairs.tsv
    emulated devices=1
    OMPI_COMM_WORLD_LOCAL_RANK=1 expect_status 2 clip-train "${tiny[@]}" --device cuda -o other pairs.tsv
    grep -qF "cuda:1: there is no such GPU" err
}
